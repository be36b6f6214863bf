import type { Database } from '../../../db/database.ts'
import type { TenantViewer } from '../../../identity/viewer.ts'
import { ApiError } from '../../../lib/api-error.ts'
import { fromMicros, type Instant } from '../../instant.ts'
import { QUERY_LIMITS } from '../../limits.ts'
import type { Range } from '../../sql/buckets.ts'
import type { Names } from '../../sql/names.ts'
import { checkRawBudget } from '../../sql/raw-budget.ts'
import type { MetricsArgs } from '../metrics-args.ts'
import { type OpenPart, readOpenParts } from './open-events.ts'
import { countRolledUp, findStaleRanges, type MsRange, STALE_RANGES_MAX } from './stale-ranges.ts'

/** What the single events of a range add to the result. */
export interface ReadRange {
  range: Range
  parts: OpenPart[]
}

export interface StaleParts {
  /** Ranges of which no sketch may be used; in the order of time. */
  read: (ReadRange & MsRange)[]
  /** Events of buckets that end by then are missing; undefined: none is. */
  missingBefore: Instant | undefined
}

/**
 * The single events of ranges in which sketches do not have what rollups count. Where these are no longer held, or too
 * many, the sketches stay, and the result has the time by which events are missing; not, though, of sketches that
 * are only minutes behind a late event, whose bucket is marked as revised.
 */
export async function readStaleParts(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  args: MetricsArgs,
  compared: MsRange,
): Promise<StaleParts> {
  const byName = args.groupBy.length > 0
  const read: StaleParts['read'] = []
  let missingBefore: Instant | undefined
  for (const stale of await findStaleRanges(db, viewer, { names, byName, range: compared })) {
    const range = { start: instantOf(stale.fromMs), end: instantOf(stale.beforeMs) }
    const parts = await readWithinBudget(db, viewer, names, args, range)
    const held = parts?.reduce((sum, { count }) => sum + count, 0)
    if (parts && held === (await countRolledUp(db, viewer, { names, byName, range: stale })))
      read.push({ fromMs: stale.fromMs, beforeMs: stale.beforeMs, range, parts })
    else if (!stale.isRecent) missingBefore = range.end
  }
  return { read, missingBefore }
}

/** @returns undefined where they are too many */
async function readWithinBudget(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  args: MetricsArgs,
  range: Range,
): Promise<OpenPart[] | undefined> {
  const max = Math.floor(QUERY_LIMITS.rawEventsMax / STALE_RANGES_MAX)
  try {
    await checkRawBudget(db, viewer, names, range, { max, advice: '' })
  } catch (error) {
    if (error instanceof ApiError && error.code === 'QUERY_TOO_SLOW') return undefined
    throw error
  }
  return readOpenParts(db, viewer, names, args, range)
}

function instantOf(ms: number): Instant {
  return fromMicros(BigInt(ms) * 1000n)
}
