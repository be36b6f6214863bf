import { parseArgs } from 'node:util'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { LIMITS } from '../contract/limits.ts'
import { TOPICS } from '../contract/log/topics.ts'
import { dayTable } from '../core/db/day-partitions.ts'
import type { NewRecord } from '../core/log/log.ts'
import { createPostgresLog } from '../core/log/postgres/postgres-log.ts'
import { decodeBatch } from '../core/worker/decode/decode.ts'
import type { EventRow } from '../core/worker/decode/decoded.ts'
import { createTenants } from '../core/worker/decode/tenant-settings.ts'
import { createPartitionMaintenance } from '../core/worker/maintenance/partition-maintenance.ts'
import { createWorker } from '../core/worker/worker.ts'
import { COPY_COLUMNS, createRowEncoder } from '../core/worker/write/row-encoder.ts'
import { flights } from './lib/flights.ts'
import { type BenchPostgres, cpuSeconds, median, table, withPostgres } from './lib/machine.ts'

/**
 * The worker's whole path (read the log, decode, validate, dedupe, rows, rollups, position) beside a plain
 * binary COPY of the same rows into the same table. Arms are interleaved, forth and back; every arm
 * starts with an empty database after a checkpoint, and counts only if all its events are found.
 */
const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '4' },
    arm: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
})
const EVENTS = Number(options.events)

const ARMS = {
  'plain binary COPY': { run: plainCopy, repeated: 0 },
  'worker, 1 lane': { run: (at: Arm) => work(at, 1), repeated: 0 },
  'worker, 1 lane, 5 % duplicates': { run: (at: Arm) => work(at, 1), repeated: 0.05 },
  'worker, 2 lanes': { run: (at: Arm) => work(at, 2), repeated: 0 },
}
type ArmName = keyof typeof ARMS

interface Arm {
  url: string
  records: NewRecord[]
}
interface Figure {
  seconds: number
  nodeCpu: number
  postgresCpu: number
}

const figures = new Map<ArmName, Figure[]>()
await withPostgres(async (postgres) => {
  const names = (Object.keys(ARMS) as ArmName[]).filter((name) => name.includes(options.arm))
  for (let round = 0; round < Number(options.rounds); round++)
    for (const name of round % 2 ? [...names].reverse() : names) {
      const figure = await measure(postgres, name)
      figures.set(name, [...(figures.get(name) ?? []), figure])
      if (!options.json)
        process.stderr.write(`round ${round + 1} · ${name}: ${rate(figure)} events/s\n`)
    }
})
report()

async function measure(postgres: BenchPostgres, name: ArmName): Promise<Figure> {
  const { run, repeated } = ARMS[name]
  const url = await postgres.fresh()
  const client = new pg.Client(url)
  await client.connect()
  await client.query("INSERT INTO tenant (slug) VALUES ('bench')")
  const records = flights(EVENTS, repeated)
  const prepared = await run({ url, records })
  await postgres.checkpoint()
  const before = {
    node: process.cpuUsage(),
    postgres: cpuSeconds(postgres.pid),
    at: performance.now(),
  }
  await prepared.go()
  const seconds = (performance.now() - before.at) / 1000
  const node = process.cpuUsage(before.node)
  const figure = {
    seconds,
    nodeCpu: (node.user + node.system) / 1e6,
    postgresCpu: cpuSeconds(postgres.pid) - before.postgres,
  }
  await prepared.close()
  const { rows } = await client.query(
    'SELECT (SELECT count(*)::int FROM event) AS stored, (SELECT coalesce(sum(duplicate), 0)::int FROM outcome_minute) AS duplicates',
  )
  const { stored, duplicates } = rows[0]
  if (stored + duplicates !== EVENTS || duplicates !== Math.floor(EVENTS * repeated))
    throw new Error(
      `${name}: ${EVENTS} went in, ${stored} are stored and ${duplicates} were duplicates`,
    )
  await client.end()
  await postgres.forget(url)
  return figure
}

async function work({ url, records }: Arm, lanes: number) {
  const log = await createPostgresLog({ url, onError: console.error })
  for (let i = 0; i < records.length; i += 1_000)
    await log.append(TOPICS.raw.name, records.slice(i, i + 1_000))
  const stop = new AbortController()
  let done = 0
  const worker = createWorker({
    databaseUrl: url,
    log,
    concurrency: lanes,
    logger: { info() {}, warn: console.error, error: console.error },
    onWritten({ stored, duplicates }) {
      done += stored + duplicates
      if (done === EVENTS) stop.abort()
    },
  })
  return { go: () => worker.run(stop.signal), close: () => log.close() }
}

/** The floor: rows that are decoded already, one connection, the worker's batch size, a commit each batch. */
async function plainCopy({ url, records }: Arm) {
  const client = new pg.Client(url)
  await client.connect()
  const tenants = createTenants((sql, values) => client.query(sql, values))
  const logged = records.map((record, offset) => ({
    ...record,
    partition: record.partition ?? 0,
    offset,
    timestamp: Date.now(),
  }))
  const decoded = await decodeBatch(
    {
      partitions: [{ partition: 0, baseOffset: 0, nextOffset: logged.length, records: logged }],
      recordCount: logged.length,
    },
    tenants,
    new Map(),
  )
  const rows = decoded.flatMap((each): EventRow[] => (each.kind === 'event' ? [each.row] : []))
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  await createPartitionMaintenance({ pool }).run()
  await pool.end()
  const encode = createRowEncoder()
  async function go() {
    for (let i = 0; i < rows.length; i += LIMITS.logBatchRecordsMax) {
      const batch = rows.slice(i, i + LIMITS.logBatchRecordsMax)
      const sink = client.query(
        copyFrom(
          `COPY ${dayTable('event', batch[0]?.receivedDay ?? 0)} (${COPY_COLUMNS}) FROM STDIN (FORMAT binary)`,
        ),
      )
      await new Promise<void>((resolve, reject) => {
        sink.once('finish', resolve).once('error', reject)
        sink.end(encode(batch))
      })
    }
  }
  return { go, close: () => client.end() }
}

function rate({ seconds }: Figure): number {
  return Math.round(EVENTS / seconds)
}

function report(): void {
  const summary = [...figures].map(([name, all]) => ({
    name,
    rate: median(all.map(rate)),
    // Of arms of the same round, so that what the machine did meanwhile cancels out.
    ratio: median(
      all.map((figure, i) => rate(figure) / rate(figures.get('plain binary COPY')?.[i] ?? figure)),
    ),
    nodeCpu: (median(all.map((f) => f.nodeCpu)) / EVENTS) * 1e6,
    postgresCpu: (median(all.map((f) => f.postgresCpu)) / EVENTS) * 1e6,
  }))
  if (options.json) {
    console.log(JSON.stringify({ events: EVENTS, arms: summary }))
    return
  }
  console.log(
    `\n${EVENTS.toLocaleString('en')} flights an arm, median of ${options.rounds} rounds; CPU in seconds per million events`,
  )
  console.log(
    table([
      ['arm', 'events/s', 'of COPY', 'CPU node', 'CPU postgres'],
      ...summary.map((s) => [
        s.name,
        String(s.rate),
        s.ratio.toFixed(2),
        s.nodeCpu.toFixed(1),
        s.postgresCpu.toFixed(1),
      ]),
    ]),
  )
}
