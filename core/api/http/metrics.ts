import { sql } from 'kysely'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { TOPICS } from '../../../contract/log/topics.ts'
import type { Database } from '../../db/database.ts'
import { withTimeout } from '../../lib/timeout.ts'
import type { Log } from '../../log/log.ts'
import { readLag } from '../../queries/lag.ts'

export interface Metrics {
  contentType: string
  /** What Prometheus reads: this process, and the pipeline as Postgres and the log know it. */
  text(): Promise<string>
}

export interface MetricsDeps {
  /** Of its own: no edge that asks for a key waits for what is counted here. Its statements end before METRICS_MS_MAX. */
  db: Database
  log: Log
  /** How many watch live. */
  subscribers?: () => number
  /** Whether Redis is connected, where there is one. */
  redis?: () => boolean
}

/** How long a part may take to answer. */
export const METRICS_MS_MAX = 3_000

interface WorkerRow {
  worker: string
  age: number
  batches: number
  ms: number
}

interface GapRow {
  topic: string
  partition: number
  times: number
  records: number
  open: number
}

/** Nothing here names a key, a person or an event; tenants are told together. */
export function createMetrics({ db, log, subscribers, redis }: MetricsDeps): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const registers = [registry]
  const accepted = new Counter({
    name: 'sluice_events_accepted_total',
    help: 'Records that the log has taken, by partition.',
    labelNames: ['partition'],
    registers,
  })
  const outcomes = new Counter({
    name: 'sluice_events_total',
    help: 'What became of accepted events.',
    labelNames: ['outcome'],
    registers,
  })
  const lag = new Gauge({
    name: 'sluice_log_lag_records',
    help: 'Records in the log that the worker has not applied yet, by partition.',
    labelNames: ['topic', 'partition'],
    registers,
  })
  const position = new Gauge({
    name: 'sluice_log_position',
    help: 'The first offset that no worker has applied yet, by partition.',
    labelNames: ['topic', 'partition'],
    registers,
  })
  const end = new Gauge({
    name: 'sluice_log_end',
    help: 'The offset that the next record will get, by partition.',
    labelNames: ['topic', 'partition'],
    registers,
  })
  const gaps = new Counter({
    name: 'sluice_offset_gaps_total',
    help: 'How often events were found missing from the log before they were read. Any is an alarm.',
    labelNames: ['topic', 'partition'],
    registers,
  })
  const missing = new Counter({
    name: 'sluice_offset_gap_records_total',
    help: 'Records that were dropped from the log before they were read.',
    labelNames: ['topic', 'partition'],
    registers,
  })
  const openGaps = new Gauge({
    name: 'sluice_offset_gaps_open',
    help: 'Gaps that nobody has accepted: there the worker stands still.',
    registers,
  })
  const toForward = new Gauge({
    name: 'sluice_dead_letters_to_forward',
    help: 'Dead letters that are not in events.dlq yet.',
    registers,
  })
  const batches = new Counter({
    name: 'sluice_worker_batches_total',
    help: 'Batches that each worker has written.',
    labelNames: ['worker'],
    registers,
  })
  const batchSeconds = new Counter({
    name: 'sluice_worker_batch_seconds_total',
    help: 'How long they took.',
    labelNames: ['worker'],
    registers,
  })
  const heartbeat = new Gauge({
    name: 'sluice_worker_heartbeat_age_seconds',
    help: 'Seconds since each worker last said that it lives.',
    labelNames: ['worker'],
    registers,
  })
  const watching = new Gauge({
    name: 'sluice_live_subscribers',
    help: 'Live subscriptions of this process.',
    registers,
  })
  const up = new Gauge({
    name: 'sluice_up',
    help: 'Whether the part answered this time; where not, its numbers are missing.',
    labelNames: ['part'],
    registers,
  })

  const ofWorkers = [heartbeat, batches, batchSeconds]
  const ofLog = [accepted, lag, position, end]

  async function fromPostgres(): Promise<void> {
    // A row a tenant, and the letters of no tenant.
    const { rows: sums } = await sql<Record<'stored' | 'duplicate' | 'dead', number>>`
      SELECT coalesce(sum(stored), 0)::bigint AS stored, coalesce(sum(duplicate), 0)::bigint AS duplicate,
             (coalesce(sum(dead), 0) + (SELECT count(*) FROM dead_letter WHERE tenant_id IS NULL AND state <> 'replayed'))::bigint AS dead
        FROM outcome_total`.execute(db)
    const { rows: workers } = await sql<WorkerRow>`
      SELECT worker_id AS worker, extract(epoch FROM now() - beat_at)::float8 AS age, batches, batch_ms AS ms
        FROM worker_heartbeat`.execute(db)
    const { rows: waiting } = await sql<{ letters: number }>`
      SELECT count(*) AS letters FROM dead_letter WHERE forwarded_at IS NULL`.execute(db)
    outcomes.reset()
    for (const [outcome, count] of Object.entries(sums[0] ?? {})) outcomes.inc({ outcome }, count)
    for (const metric of ofWorkers) metric.reset()
    for (const { worker, age, batches: written, ms } of workers) {
      heartbeat.set({ worker }, age)
      batches.inc({ worker }, written)
      batchSeconds.inc({ worker }, ms / 1000)
    }
    toForward.set(waiting[0]?.letters ?? 0)
    await gapsFromPostgres()
  }

  async function gapsFromPostgres(): Promise<void> {
    const { rows } = await sql<GapRow>`
      SELECT topic, partition, count(*) AS times, sum(greatest(available - expected, 0))::bigint AS records,
             count(*) FILTER (WHERE skipped_at IS NULL) AS open
        FROM offset_gap GROUP BY 1, 2`.execute(db)
    for (const metric of [gaps, missing]) metric.reset()
    for (const { topic, partition, times, records } of rows) {
      gaps.inc({ topic, partition }, times)
      missing.inc({ topic, partition }, records)
    }
    openGaps.set(rows.reduce((sum, { open }) => sum + open, 0))
  }

  async function fromLog(): Promise<void> {
    const topic = TOPICS.raw.name
    const { partitions } = await readLag(db, log)
    for (const metric of ofLog) metric.reset()
    for (const each of partitions) {
      const { partition } = each
      accepted.inc({ partition }, each.end)
      position.set({ topic, partition }, each.position)
      end.set({ topic, partition }, each.end)
      lag.set({ topic, partition }, each.lag)
    }
  }

  async function ask(part: string, work: () => Promise<void>, ours: { reset(): void }[]) {
    try {
      await withTimeout(METRICS_MS_MAX, part, work())
      up.set({ part }, 1)
    } catch {
      // Old numbers would look like a pipeline at rest.
      for (const metric of ours) metric.reset()
      up.set({ part }, 0)
    }
  }

  async function gather(): Promise<string> {
    watching.set(subscribers?.() ?? 0)
    if (redis) up.set({ part: 'redis' }, redis() ? 1 : 0)
    await Promise.all([
      ask('postgres', fromPostgres, [outcomes, gaps, missing, openGaps, toForward, ...ofWorkers]),
      ask('log', fromLog, ofLog),
    ])
    return registry.metrics()
  }
  let gathering: Promise<string> | undefined

  return {
    contentType: registry.contentType,
    // Anybody may ask: those who come meanwhile get the same.
    text() {
      gathering ??= gather().finally(() => {
        gathering = undefined
      })
      return gathering
    },
  }
}
