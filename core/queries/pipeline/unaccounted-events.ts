import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { createFairLimiter } from '../../lib/fair-limiter.ts'
import type { Log } from '../../log/log.ts'
import { readBalance } from '../../proof/balance.ts'
import { findUnaccountedIds, UNACCOUNTED_IDS_MAX } from '../../proof/unaccounted-ids.ts'
import { type Instant, toMicros } from '../instant.ts'
import type { QueryResult } from '../query-result.ts'
import { executeOn } from './balance.ts'

export { UNACCOUNTED_IDS_MAX }

export interface UnaccountedEventsArgs {
  /** Of receipt, cut to the minute. */
  minute: Instant
}

const MINUTE_MS = 60_000
/** Part of the log is read again: not for long, and not for many at a time. */
const READ_MS_MAX = 10_000
const READS = { concurrentMax: 1, queuedMax: 5, queueMsMax: READ_MS_MAX, totalMax: 2 }

/** The rows are event ids, or `partition:offset` of records without one. */
export type UnaccountedEvents = (
  db: Database,
  viewer: TenantViewer,
  args: UnaccountedEventsArgs,
) => Promise<QueryResult<string>>

/**
 * Names the events of one minute that the log has and that have no outcome. Nothing is read of a minute that adds up.
 * The query throws OVERLOADED while a tenant has too many of them wait.
 */
export function createUnaccountedEvents(log: Pick<Log, 'batches' | 'offsets'>): UnaccountedEvents {
  const limiter = createFairLimiter(READS)
  return async function unaccountedEvents(db, { tenantId }, { minute }) {
    const fromMs = Math.floor(Number(toMicros(minute) / 1_000n) / MINUTE_MS) * MINUTE_MS
    const result = { source: 'raw', dependencies: null } as const
    const execute = executeOn(db)
    const { minutes } = await readBalance(execute, {
      ...{ fromMs, toMs: fromMs + MINUTE_MS, tenantId, onlyOpen: true, rowsMax: 1 },
    })
    if ((minutes[0]?.unaccounted ?? 0) <= 0) return { rows: [], ...result }
    const release = await limiter.acquire(String(tenantId))
    try {
      const rows = await findUnaccountedIds(execute, log, {
        ...{ tenantId, minute: new Date(fromMs).toISOString() },
        signal: AbortSignal.timeout(READ_MS_MAX),
      })
      return { rows, ...result }
    } finally {
      release()
    }
  }
}
