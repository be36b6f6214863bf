import { randomInt } from 'node:crypto'
import { createHistogram } from 'node:perf_hooks'
import { createDatabase } from '../../core/db/database.ts'
import { UsageError } from '../../core/lib/usage-error.ts'
import { createEvents } from './events.ts'
import { runOpenLoop } from './open-loop.ts'
import { checkNumbers, type TenantResult } from './oracle.ts'
import { createPoster } from './post.ts'
import { createSchedule, type ScheduleOptions } from './schedule.ts'
import { createTally, type EventCounts, type Expected } from './tally.ts'
import { type LoadTenant, withLoadTenants } from './tenants.ts'

export interface LoadOptions extends ScheduleOptions {
  edgeUrl: string
  /** For the tenants of the test, and for its numbers afterwards. Without it `key` is used and nothing is checked. */
  databaseUrl: string | undefined
  graphqlUrl: string | undefined
  key: string | undefined
  /** Shares of all events, from 0 to 1. */
  duplicateRate: number
  badRate: number
  tenants: number
  /** Events in a request. */
  batch: number
  /** The limit of each tenant. */
  eventsPerMinute: number
  inFlightMax: number
  /** The check afterwards waits no longer for a worker that makes no progress. */
  idleMsMax: number
  /** Ends the load early; what was sent is checked all the same. */
  signal: AbortSignal
  /** Called every ten seconds. */
  onProgress: (progress: LoadProgress) => void
}

export interface LoadProgress {
  seconds: number
  requests: number
  dropped: number
  counts: EventCounts
  p95Ms: number
}

export interface LoadSummary {
  seconds: number
  requests: number
  /** Requests that were due but not sent, because too many were in flight. */
  dropped: number
  /** From when a request was due to its response. */
  latency: { p50Ms: number; p95Ms: number; p99Ms: number; maxMs: number }
  events: EventCounts & { duplicates: number }
  firstFailure: string | undefined
  tenants: TenantResult[]
  faults: string[]
  /** null: there was no database to ask. */
  isExact: boolean | null
}

const EVENTS_MAX = 50_000_000
const PROGRESS_MS = 10_000
const LATENCY_US_MAX = 120_000_000

/** @throws UsageError when the test is too large, or when nothing was accepted */
export async function runLoad(options: LoadOptions): Promise<LoadSummary> {
  const { databaseUrl, key, tenants: count, eventsPerMinute } = options
  if (!databaseUrl) return sendAndCheck(options, [{ tenant: '', writeKey: key ?? '', readKey: '' }])
  const db = createDatabase(databaseUrl, { max: 1 })
  try {
    return await withLoadTenants(db, { count, eventsPerMinute }, (tenants) =>
      sendAndCheck(options, tenants, (expected, sinceMs) =>
        checkNumbers({ ...options, db, tenants, expected, sinceMs }),
      ),
    )
  } finally {
    await db.destroy()
  }
}

type Check = (
  expected: readonly Expected[],
  sinceMs: number,
) => Promise<{ tenants: TenantResult[]; faults: string[] }>

async function sendAndCheck(
  options: LoadOptions,
  tenants: readonly LoadTenant[],
  check?: Check,
): Promise<LoadSummary> {
  const { batch } = options
  const schedule = createSchedule(options)
  if (schedule.total * batch > EVENTS_MAX)
    throw new UsageError(
      `${schedule.total * batch} events are more than the ${EVENTS_MAX} of one load test.`,
      'Lower --rps, --minutes or --batch.',
    )
  const sinceMs = Date.now()
  const events = createEvents({
    ...options,
    run: randomInt(2 ** 32),
    stride: batch * tenants.length,
    timeOf: (i) => sinceMs + schedule.dueAt(Math.floor(i / batch)),
  })
  const tenantOf = (i: number) => Math.floor(i / batch) % tenants.length
  const tally = createTally(schedule.total * batch, tenants.length, tenantOf)
  const times = createHistogram({ lowest: 1, highest: LATENCY_US_MAX, figures: 3 })
  const poster = createPoster(options.edgeUrl, options.inFlightMax)
  const percentileMs = (percent: number) => times.percentile(percent) / 1000

  async function send(n: number, dueAt: number): Promise<void> {
    const planned = Array.from({ length: batch }, (_, p) => events.plan(n * batch + p))
    const texts = planned.map(events.serialize)
    const body = batch === 1 ? (texts[0] as string) : `{"events":[${texts.join(',')}]}`
    const tenant = n % tenants.length
    const response = await poster
      .post((tenants[tenant] as LoadTenant).writeKey, body)
      .catch((error: Error) => error)
    times.record(Math.max(1, Math.round((performance.now() - dueAt) * 1000)))
    tally.add(tenant, planned, response)
  }

  // An edge that accepts nothing is not worth the whole time.
  const giveUp = new AbortController()
  const started = performance.now()
  let shownAt = started
  const { dropped, seconds } = await runOpenLoop({
    ...options,
    signal: AbortSignal.any([options.signal, giveUp.signal]),
    schedule,
    send,
    onTick(dropped) {
      if (performance.now() - shownAt < PROGRESS_MS) return
      shownAt = performance.now()
      if (tally.counts.accepted === 0) giveUp.abort()
      options.onProgress({
        seconds: (shownAt - started) / 1000,
        requests: times.count,
        dropped,
        counts: tally.counts,
        p95Ms: percentileMs(95),
      })
    },
  }).finally(() => poster.close())
  const { counts, firstFailure } = tally
  if (counts.accepted === 0 && counts.sent > 0)
    throw new UsageError(
      `${options.edgeUrl} accepted none of ${counts.sent} events: ${firstFailure}`,
      'Check --url, and with SLUICE_KEY or --key-file the key.',
    )
  const expected = tally.expected()
  const checked = await check?.(expected, sinceMs)
  const duplicates = checked
    ? checked.tenants.map(({ rows }) => rows.duplicates)
    : expected.map((each) => each.duplicates.min)
  const faults = [...tally.faults, ...(checked?.faults ?? [])]
  return {
    seconds,
    requests: times.count,
    dropped,
    latency: {
      p50Ms: percentileMs(50),
      p95Ms: percentileMs(95),
      p99Ms: percentileMs(99),
      maxMs: times.max / 1000,
    },
    events: { ...counts, duplicates: duplicates.reduce((sum, each) => sum + each, 0) },
    firstFailure,
    tenants: checked?.tenants ?? [],
    faults,
    isExact: checked ? faults.length === 0 : null,
  }
}
