import { sql } from 'kysely'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { TOPICS } from '../contract/topics.ts'
import type { Database } from './db/database.ts'
import { within } from './db/within.ts'
import type { Log } from './log/log.ts'

export interface Metrics {
  contentType: string
  /** What Prometheus reads: this process, and the pipeline as Postgres and the log know it. */
  text(): Promise<string>
}

export interface MetricsDeps {
  db: Database
  log: Log
  /** How many watch live. */
  subscribers?: () => number
}

const ASK_MS_MAX = 3_000

/** Nothing here names a key, a person or an event; tenants are told together. */
export function createMetrics({ db, log, subscribers }: MetricsDeps): Metrics {
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

  async function fromPostgres(): Promise<void> {
    const { rows: sums } = await sql<Record<'stored' | 'duplicate' | 'dead', number>>`
      SELECT coalesce(sum(stored), 0)::bigint AS stored, coalesce(sum(duplicate), 0)::bigint AS duplicate,
             (coalesce(sum(dead), 0) + (SELECT count(*) FROM dead_letter WHERE tenant_id IS NULL))::bigint AS dead
        FROM outcome_minute`.execute(db)
    const { rows: workers } = await sql<{ worker: string; age: number }>`
      SELECT worker_id AS worker, extract(epoch FROM now() - beat_at)::float8 AS age FROM worker_heartbeat`.execute(
      db,
    )
    outcomes.reset()
    for (const [outcome, count] of Object.entries(sums[0] ?? {})) outcomes.inc({ outcome }, count)
    heartbeat.reset()
    for (const { worker, age } of workers) heartbeat.set({ worker }, age)
  }

  async function fromLog(): Promise<void> {
    const topic = TOPICS.raw.name
    // Positions first: the log only grows meanwhile, so a lag is never below zero.
    const positions = await db
      .selectFrom('log_position')
      .select(['partition', 'next_offset'])
      .where('topic', '=', topic)
      .execute()
    const bounds = await log.bounds(topic)
    const applied = new Map(positions.map((row) => [row.partition, row.next_offset]))
    accepted.reset()
    lag.reset()
    for (const { partition, next } of bounds) {
      accepted.inc({ partition }, next)
      lag.set({ topic, partition }, next - (applied.get(partition) ?? 0))
    }
  }

  async function ask(part: string, work: () => Promise<void>, ours: { reset(): void }[]) {
    try {
      await within(ASK_MS_MAX, part, work())
      up.set({ part }, 1)
    } catch {
      // Old numbers would look like a pipeline at rest.
      for (const metric of ours) metric.reset()
      up.set({ part }, 0)
    }
  }

  return {
    contentType: registry.contentType,
    async text() {
      watching.set(subscribers?.() ?? 0)
      await Promise.all([
        ask('postgres', fromPostgres, [outcomes, heartbeat]),
        ask('log', fromLog, [accepted, lag]),
      ])
      return registry.metrics()
    },
  }
}
