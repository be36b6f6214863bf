import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { TOPICS } from '../../contract/log/topics.ts'
import { decodeChangedBuckets } from '../../core/db/changed-buckets.ts'
import { CHANNELS } from '../../core/db/channels.ts'
import { createPostgresLog } from '../../core/log/postgres/postgres-log.ts'
import { fillManyDays } from '../../core/queries/testing/many-days.ts'
import { createPartitionMaintenance } from '../../core/worker/maintenance/partition-maintenance.ts'
import { createWorker } from '../../core/worker/worker.ts'
import { flightsInParts } from './flights.ts'
import { type BenchPostgres, cpuSeconds } from './machine.ts'

export interface WriteArm {
  tenants: number
  namesPerTenant: number
  days: number
}

export interface WriteFigure {
  /** Events a second. */
  rate: number
  /** CPU seconds per million events. */
  nodeCpu: number
  postgresCpu: number
  /** Commits that were notified of. */
  batches: number
  /** Notifications of them that meant any tenant, and any bucket of any tenant. */
  anyTenant: number
  anyBucket: number
  /** Rows inserted and updated, of all tables together. */
  rowsPerEvent: number
}

const EVENTS_PER_DAY = 100
const SEED = 20_261_130

/**
 * The worker's whole path with one connection, from the Postgres log into a database of this size.
 * @throws unless every event is stored, or counted as a duplicate
 */
export async function measureWrites(
  postgres: BenchPostgres,
  arm: WriteArm,
  events: number,
): Promise<WriteFigure> {
  const url = await postgres.createDatabase()
  await fillManyDays(url, { ...arm, eventsPerDay: EVENTS_PER_DAY })
  await maintain(url, arm.days + 1)
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  const before = await countAll(client)
  const log = await createPostgresLog({ url, onError: console.error })
  const random = createRandom(SEED)
  const naming = () => ({
    tenant: `tenant-${1 + Math.floor(random() * arm.tenants)}`,
    name: `name_${Math.floor(random() * arm.namesPerTenant)}`,
  })
  for (const records of flightsInParts(events, 1_000, naming))
    await log.append(TOPICS.raw.name, records)
  const notified = await countNotifications(client)
  await postgres.checkpoint()
  const writesBefore = await countWrites(client)

  const cpu = { node: process.cpuUsage(), postgres: cpuSeconds(postgres.pid) }
  const began = performance.now()
  await consume({ url, log, events, retentionDays: arm.days + 1 })
  const seconds = (performance.now() - began) / 1000
  const node = process.cpuUsage(cpu.node)
  const measured = {
    rate: events / seconds,
    nodeCpu: (node.user + node.system) / events,
    postgresCpu: ((cpuSeconds(postgres.pid) - cpu.postgres) / events) * 1e6,
    ...notified,
  }

  await log.close()
  const rowsPerEvent = ((await countWrites(client)) - writesBefore) / events
  const after = await countAll(client)
  const stored = after.stored - before.stored
  const duplicates = after.duplicates - before.duplicates
  if (stored + duplicates !== events || after.days < arm.days)
    throw new Error(
      `of ${events} events ${stored} are stored and ${duplicates} are duplicates, on ${after.days} days`,
    )
  await client.end()
  await postgres.dropDatabase(url)
  return { ...measured, rowsPerEvent }
}

/** A worker that starts folds every old day of outcomes: once, and not while writing is measured. */
async function maintain(url: string, retentionDays: number): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  await createPartitionMaintenance({ pool, retentionDays }).run()
  await pool.query('VACUUM ANALYZE')
  await pool.end()
}

interface ConsumeOptions {
  url: string
  log: Awaited<ReturnType<typeof createPostgresLog>>
  events: number
  retentionDays: number
  onFirstBatch?: () => void
  onMaintained?: () => void
}

/** Runs a worker until it has written so many events. */
export async function consume(options: ConsumeOptions): Promise<void> {
  const { url, log, events, retentionDays, onFirstBatch, onMaintained } = options
  const stop = new AbortController()
  let done = 0
  await createWorker({
    databaseUrl: url,
    log,
    concurrency: 1,
    retentionDays,
    logger: {
      info: (_, message) => message.includes('maintenance') && onMaintained?.(),
      warn: console.error,
      error: console.error,
    },
    onWritten({ stored, duplicates, conflicting }) {
      if (done === 0) onFirstBatch?.()
      done += stored + duplicates + conflicting
      if (done >= events) stop.abort()
    },
  }).run(stop.signal)
}

async function countAll(client: pg.Client) {
  const { rows } = await client.query<{ stored: number; duplicates: number; days: number }>(
    `SELECT (SELECT count(*)::int FROM event) AS stored,
            (SELECT coalesce(sum(duplicate + conflicting), 0)::int FROM outcome_minute) AS duplicates,
            (SELECT count(*)::int FROM pg_inherits WHERE inhparent = 'event'::regclass) AS days`,
  )
  return rows[0] as (typeof rows)[number]
}

/** Rows inserted and updated so far, in all tables but those of the log. */
async function countWrites(client: pg.Client): Promise<number> {
  // A connection that ends reports what it did; one that is open does so within a second.
  await sleep(1_500)
  const { rows } = await client.query<{ writes: number }>(
    `SELECT sum(n_tup_ins + n_tup_upd)::int AS writes FROM pg_stat_user_tables WHERE relname !~ '^log_chunk'`,
  )
  return rows[0]?.writes ?? 0
}

async function countNotifications(client: pg.Client) {
  const counts = { batches: 0, anyTenant: 0, anyBucket: 0 }
  client.on('notification', ({ channel, payload = '' }) => {
    if (channel === CHANNELS.stored) {
      counts.batches++
      if (payload === '') counts.anyTenant++
    } else if (decodeChangedBuckets(payload) === undefined) counts.anyBucket++
  })
  await client.query(`LISTEN ${CHANNELS.stored}; LISTEN ${CHANNELS.changedBuckets}`)
  return counts
}

/** Mulberry32: the same numbers in each run. @returns 0 ≤ x < 1 */
export function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
