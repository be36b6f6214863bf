import { collectDefaultMetrics, Registry } from 'prom-client'
import { TOPICS } from '../../../contract/log/topics.ts'
import type { Database } from '../../db/database.ts'
import { withTimeout } from '../../lib/timeout.ts'
import type { Log } from '../../log/log.ts'
import { countDeadLettersToForward } from '../../queries/pipeline/forwarding-backlog.ts'
import { PIPELINE_COMPONENTS, readFreshness } from '../../queries/pipeline/freshness.ts'
import { readLag } from '../../queries/pipeline/lag.ts'
import { countOffsetGaps } from '../../queries/pipeline/offset-gap-counts.ts'
import { readOldestSnapshotSeconds } from '../../queries/pipeline/oldest-snapshot.ts'
import { readOutcomeTotals } from '../../queries/pipeline/outcome-totals.ts'
import { readUnaccounted } from '../../queries/pipeline/unaccounted.ts'
import { readVerification } from '../../queries/pipeline/verification.ts'
import { readHeartbeats } from '../../queries/pipeline/worker-heartbeats.ts'
import { createInstruments, type Instruments } from './metrics-instruments.ts'

export interface Metrics {
  contentType: string
  /** What Prometheus scrapes: this process, and the pipeline as Postgres and the log know it. */
  text(): Promise<string>
}

export interface MetricsDeps {
  /** A pool of its own, so that no edge that looks up a key waits for a scrape. Its statements end before METRICS_MS_MAX. */
  db: Database
  log: Log
  /** The number of live subscriptions. */
  subscribers?: () => number
  /** Whether Redis is connected; absent without Redis. */
  redis?: () => boolean
}

/** How long a part may take to respond. */
export const METRICS_MS_MAX = 3_000

export function createMetrics({ db, log, subscribers, redis }: MetricsDeps): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const instruments = createInstruments(registry)
  const { up } = instruments.process

  async function collect(
    part: string,
    read: () => Promise<void>,
    own: Record<string, { reset(): void }>,
  ): Promise<void> {
    try {
      await withTimeout(METRICS_MS_MAX, part, read())
      up.set({ part }, 1)
    } catch {
      // Old numbers would look like a pipeline without traffic.
      for (const instrument of Object.values(own)) instrument.reset()
      up.set({ part }, 0)
    }
  }

  async function scrape(): Promise<string> {
    instruments.process.subscribers.set(subscribers?.() ?? 0)
    if (redis) up.set({ part: 'redis' }, redis() ? 1 : 0)
    await Promise.all([
      collect('postgres', () => readPostgres(db, instruments.postgres), instruments.postgres),
      collect('freshness', () => readCanaries(db, instruments), instruments.freshness),
      collect('log', () => readLog(db, log, instruments.log), instruments.log),
    ])
    return registry.metrics()
  }
  let scraping: Promise<string> | undefined

  return {
    contentType: registry.contentType,
    // The path is public: concurrent requests share one scrape.
    text() {
      scraping ??= scrape().finally(() => {
        scraping = undefined
      })
      return scraping
    },
  }
}

async function readPostgres(db: Database, instruments: Instruments['postgres']): Promise<void> {
  const { outcomes, heartbeat, batches, batchSeconds, toForward } = instruments
  const totals = await readOutcomeTotals(db)
  const workers = await readHeartbeats(db)
  const waiting = await countDeadLettersToForward(db)
  outcomes.reset()
  for (const [outcome, count] of Object.entries(totals)) outcomes.inc({ outcome }, count)
  for (const instrument of [heartbeat, batches, batchSeconds]) instrument.reset()
  for (const { worker, ageSeconds, batches: written, batchMs } of workers) {
    heartbeat.set({ worker }, ageSeconds)
    batches.inc({ worker }, written)
    batchSeconds.inc({ worker }, batchMs / 1000)
  }
  toForward.set(waiting)
  const { events, checkedSecondsAgo } = await readUnaccounted(db)
  instruments.unaccounted.set(events)
  instruments.balanceAge.reset()
  if (checkedSecondsAgo !== null) instruments.balanceAge.set(checkedSecondsAgo)
  const verification = await readVerification(db)
  instruments.rollupDifferences.set(verification.rollupDifferences)
  const { rollupAge, verificationAge, verificationDifferences } = instruments
  for (const [instrument, value] of [
    [rollupAge, verification.sampledSecondsAgo],
    [verificationAge, verification.finishedSecondsAgo],
    [verificationDifferences, verification.differences],
  ] as const) {
    instrument.reset()
    if (value !== null) instrument.set(value)
  }
  instruments.oldestSnapshot.set(await readOldestSnapshotSeconds(db))

  const { gaps, missing, openGaps } = instruments
  const counts = await countOffsetGaps(db)
  for (const instrument of [gaps, missing]) instrument.reset()
  for (const { topic, partition, gaps: times, records } of counts) {
    gaps.inc({ topic, partition }, times)
    missing.inc({ topic, partition }, records)
  }
  openGaps.set(counts.reduce((sum, { open }) => sum + open, 0))
}

async function readCanaries(
  db: Database,
  { freshness: { seconds, canaryAge, errorBudget }, component }: Instruments,
): Promise<void> {
  component.reset()
  // Canaries are in Postgres: where they cannot be read, it is what fails.
  component.set({ component: 'postgres' }, 0)
  const freshness = await readFreshness(db)
  component.set({ component: 'postgres' }, 1)
  for (const instrument of [seconds, canaryAge, errorBudget]) instrument.reset()
  for (const [window, { p50, p95, p99 }] of [
    ['1h', freshness.hour],
    ['24h', freshness.day],
  ] as const)
    for (const [quantile, value] of Object.entries({ 0.5: p50, 0.95: p95, 0.99: p99 }))
      if (value !== null) seconds.set({ window, quantile }, value)
  if (freshness.sentSecondsAgo === null) canaryAge.remove()
  else canaryAge.set(freshness.sentSecondsAgo)
  const { errorBudgetLeft, percent, targetSeconds } = freshness.objective ?? {}
  if (errorBudgetLeft != null)
    errorBudget.set(
      { objective: String(percent), target_seconds: String(targetSeconds) },
      errorBudgetLeft,
    )
  if (freshness.state !== 'OK' && freshness.state !== 'FAILING') return
  const failing = new Set(freshness.edges.map(({ failingComponent }) => failingComponent))
  for (const each of PIPELINE_COMPONENTS)
    component.set({ component: each }, failing.has(each) ? 0 : 1)
}

async function readLog(db: Database, log: Log, instruments: Instruments['log']): Promise<void> {
  const topic = TOPICS.raw.name
  const { partitions, otherLog } = await readLag(db, log)
  for (const instrument of Object.values(instruments)) instrument.reset()
  instruments.otherLog.set(otherLog ? 1 : 0)
  for (const { partition, end, position, lag } of partitions) {
    instruments.accepted.inc({ partition }, end)
    instruments.position.set({ topic, partition }, position)
    instruments.end.set({ topic, partition }, end)
    instruments.lag.set({ topic, partition }, lag)
  }
}
