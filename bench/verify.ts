import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { TOPICS } from '../contract/log/topics.ts'
import { createPostgresLog } from '../core/log/postgres/postgres-log.ts'
import { createLogCounter } from '../core/proof/count-log.ts'
import { verify } from '../core/proof/verify/verify.ts'
import { createWorker } from '../core/worker/worker.ts'
import { cpuSeconds, withPostgres } from './lib/machine.ts'
import { pageViewRequest } from './lib/page-views.ts'

/**
 * What the double entry costs next to the worker, and how long a verification takes: the same events, read by the worker,
 * then by the independent reader, then recounted.
 */
const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    request: { type: 'string', default: '10' },
  },
})
const EVENTS = Number(options.events)
const quiet = { info() {}, warn() {}, error() {} }

await withPostgres(async (postgres) => {
  const url = await postgres.createDatabase()
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  await pool.query("INSERT INTO tenant (slug) VALUES ('bench')")
  const log = await createPostgresLog({ url })
  for (let sent = 0; sent < EVENTS; ) {
    const records = []
    for (let i = 0; i < 5_000; i += Number(options.request))
      records.push(...pageViewRequest(sent + i, Number(options.request)))
    await log.append(TOPICS.raw.name, records)
    sent += records.length
  }
  const measure = async (
    what: string,
    run: (signal: AbortSignal) => Promise<void>,
    table: string,
  ) => {
    const cpu = process.cpuUsage()
    const before = cpuSeconds(postgres.pid)
    const began = performance.now()
    const ended = new AbortController()
    const running = run(ended.signal)
    for (;;) {
      const { rows } = await pool.query(
        `SELECT coalesce(sum(next_offset), 0)::int AS n FROM ${table}`,
      )
      if (rows[0].n >= EVENTS) break
      await sleep(100)
    }
    // Counts are added up afterwards, every ten seconds.
    if (table === 'log_count_position')
      while ((await pool.query('SELECT FROM log_count_batch LIMIT 1')).rowCount) await sleep(200)
    const seconds = (performance.now() - began) / 1000
    ended.abort()
    await running
    const node = nodeSeconds(cpu)
    const database = cpuSeconds(postgres.pid) - before
    console.log(
      `${what}: ${seconds.toFixed(1)} s, CPU seconds: node ${node.toFixed(2)}, Postgres ${database.toFixed(2)}`,
    )
    return node + database
  }
  const worker = await measure(
    'worker',
    (signal) => createWorker({ databaseUrl: url, log, logger: quiet }).run(signal),
    "log_position WHERE topic = 'events.raw'",
  )
  const counter = await measure(
    'double entry',
    (signal) => createLogCounter({ databaseUrl: url, log, logger: quiet }).run(signal),
    'log_count_position',
  )
  console.log(
    `the double entry costs ${((100 * counter) / worker).toFixed(1)} % of the worker's CPU`,
  )
  const timings: string[] = []
  let last = performance.now()
  const began = performance.now()
  const [cpu, database] = [process.cpuUsage(), cpuSeconds(postgres.pid)]
  const report = await verify({
    databaseUrl: url,
    log,
    onProgress(_, __, part) {
      const took = performance.now() - last
      last = performance.now()
      if (took > 200) timings.push(`${part.split(' ')[0]} ${(took / 1000).toFixed(1)} s`)
    },
  })
  console.log(
    `verify: ${((performance.now() - began) / 1000).toFixed(1)} s, clean ${report.clean}, CPU seconds: node ${nodeSeconds(cpu).toFixed(1)}, Postgres ${(cpuSeconds(postgres.pid) - database).toFixed(1)}, ${JSON.stringify(report.checked)}`,
  )
  console.log(timings.join(', '))
  if (!report.clean) console.log(JSON.stringify(report.differences.slice(0, 5)), report.notChecked)
  await log.close()
  await pool.end()
})

function nodeSeconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since)
  return (user + system) / 1e6
}
