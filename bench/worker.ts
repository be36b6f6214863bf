import { parseArgs } from 'node:util'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { LIMITS } from '../contract/limits.ts'
import { TOPICS } from '../contract/log/topics.ts'
import { createDatabase } from '../core/db/database.ts'
import { dayTable } from '../core/db/day-partitions.ts'
import { SYSTEM } from '../core/identity/audit/audit-log.ts'
import type { NewRecord } from '../core/log/log.ts'
import { createPostgresLog } from '../core/log/postgres/postgres-log.ts'
import { declareMetric } from '../core/metrics/declare-metric.ts'
import { parseMetricDefinition } from '../core/metrics/metric-definition.ts'
import { decodeBatch } from '../core/worker/decode/decode.ts'
import type { EventRow } from '../core/worker/decode/decoded.ts'
import { createTenants } from '../core/worker/decode/tenant-settings.ts'
import { createPartitionMaintenance } from '../core/worker/maintenance/partition-maintenance.ts'
import { createWorker } from '../core/worker/worker.ts'
import { COPY_COLUMNS, createRowEncoder } from '../core/worker/write/row-encoder.ts'
import { flights } from './lib/flights.ts'
import { type BenchPostgres, cpuSeconds, withPostgres } from './lib/machine.ts'
import { medianRatio, medians, printReport, runArms } from './lib/run-arms.ts'

/**
 * The worker's whole path (read the log, decode, validate, deduplicate, rows, rollups, position) next to a plain
 * binary COPY of the same rows into the same table. Arms are interleaved in alternating order; every run
 * starts with an empty database after a checkpoint, and fails unless all its events are found.
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
  'worker, concurrency 1': { run: (arm: Arm) => work(arm, 1), repeated: 0 },
  'worker, concurrency 1, 5 % duplicates': { run: (arm: Arm) => work(arm, 1), repeated: 0.05 },
  'worker, concurrency 1, three declared metrics': {
    run: async (arm: Arm) => {
      await declareMetrics(arm.url, 'carrier')
      return work(arm, 1)
    },
    repeated: 0,
  },
  'worker, concurrency 1, three declared metrics of many values': {
    run: async (arm: Arm) => {
      await declareMetrics(arm.url, 'distance')
      return work(arm, 1)
    },
    repeated: 0,
  },
  'worker, concurrency 2': { run: (arm: Arm) => work(arm, 2), repeated: 0 },
}
type ArmName = keyof typeof ARMS

/** Of 24, 2 and 6 combinations of dimension values; with many values the second one has 1,000 and more. */
const metricsWith = (dimension: string) => [
  { name: 'delays', dimensions: ['name', 'delayed'] },
  { name: 'distances', value: 'distance', dimensions: ['delayed', dimension] },
  { name: 'late flights', filter: { delayed: 'true' }, dimensions: ['name'] },
]

interface Arm {
  url: string
  records: NewRecord[]
}
interface Figure {
  /** Events a second. */
  rate: number
  /** CPU seconds per million events. */
  nodeCpu: number
  postgresCpu: number
}

await withPostgres(async (postgres) => {
  const names = (Object.keys(ARMS) as ArmName[]).filter((name) => name.includes(options.arm))
  const describe = options.json ? undefined : ({ rate }: Figure) => `${Math.round(rate)} events/s`
  const rounds = Number(options.rounds)
  report(await runArms(names, { rounds, describe }, (name) => measure(postgres, name)))
})

async function measure(postgres: BenchPostgres, name: ArmName): Promise<Figure> {
  const { run, repeated } = ARMS[name]
  const url = await postgres.createDatabase()
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
    rate: EVENTS / seconds,
    nodeCpu: (node.user + node.system) / EVENTS,
    postgresCpu: ((cpuSeconds(postgres.pid) - before.postgres) / EVENTS) * 1e6,
  }
  await prepared.close()
  const { rows } = await client.query(
    'SELECT (SELECT count(*)::int FROM event) AS stored, (SELECT coalesce(sum(duplicate + conflicting), 0)::int FROM outcome_minute) AS duplicates',
  )
  const { stored, duplicates } = rows[0]
  if (stored + duplicates !== EVENTS || duplicates !== Math.floor(EVENTS * repeated))
    throw new Error(
      `${name}: of ${EVENTS} events ${stored} are stored and ${duplicates} are duplicates`,
    )
  await client.end()
  await postgres.dropDatabase(url)
  return figure
}

async function work({ url, records }: Arm, concurrency: number) {
  const log = await createPostgresLog({ url, onError: console.error })
  for (let i = 0; i < records.length; i += 1_000)
    await log.append(TOPICS.raw.name, records.slice(i, i + 1_000))
  const stop = new AbortController()
  let done = 0
  const worker = createWorker({
    databaseUrl: url,
    log,
    concurrency,
    logger: { info() {}, warn: console.error, error: console.error },
    onWritten({ stored, duplicates, conflicting }) {
      done += stored + duplicates + conflicting
      if (done === EVENTS) stop.abort()
    },
  })
  return { go: () => worker.run(stop.signal), close: () => log.close() }
}

async function declareMetrics(url: string, dimension: string): Promise<void> {
  const db = createDatabase(url, { max: 1 })
  const { tenant_id } = await db
    .selectFrom('tenant')
    .select('tenant_id')
    .where('slug', '=', 'bench')
    .executeTakeFirstOrThrow()
  for (const definition of metricsWith(dimension))
    await declareMetric(db, tenant_id, parseMetricDefinition(definition), SYSTEM)
  await db.destroy()
}

/** The floor: decoded rows, one connection, the worker's batch size, one commit a batch. */
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

function report(figures: ReadonlyMap<ArmName, readonly Figure[]>): void {
  const arms = [...figures].map(([name, all]) => {
    const { rate, ...cpu } = medians(all)
    const ratio = medianRatio(all, figures.get('plain binary COPY'), 'rate')
    return { name, rate: Math.round(rate), ratio, ...cpu }
  })
  printReport(options.json, {
    data: { events: EVENTS, arms },
    title: `\n${EVENTS.toLocaleString('en')} flights an arm, median of ${options.rounds} rounds; CPU in seconds per million events`,
    rows: [
      ['arm', 'events/s', 'of COPY', 'CPU node', 'CPU postgres'],
      ...arms.map(({ name, rate, ratio, nodeCpu, postgresCpu }) => [
        name,
        String(rate),
        ratio.toFixed(2),
        nodeCpu.toFixed(1),
        postgresCpu.toFixed(1),
      ]),
    ],
  })
}
