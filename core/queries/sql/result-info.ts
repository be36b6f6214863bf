import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { watermark } from '../../db/watermark.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { type Instant, isBefore } from '../instant.ts'
import { kindQueryIdOf } from '../metrics/query-id.ts'
import { oldestEventDay } from '../oldest-event-day.ts'
import { verifiedThrough } from '../pipeline/verification.ts'
import type { ResultInfo, Source } from '../query-result.ts'
import type { Interval, Range } from './buckets.ts'

export interface Described {
  /** Which query function it is, for the query id. */
  kind: string
  /** What else decides the result, in an order that is always the same. */
  args: readonly unknown[]
  /** Undefined: all names. */
  names: readonly string[] | undefined
  range: Range
  source: Source
  interval?: Interval
  timeZone?: string
}

/**
 * How a result was made.
 * @param db of the snapshot in which the result was read (`inSnapshot`)
 */
export async function readResultInfo(
  db: Database,
  viewer: TenantViewer,
  described: Described,
): Promise<ResultInfo> {
  const { kind, args, names, range, source, interval = 'TOTAL', timeZone = 'UTC' } = described
  const { rows } = await sql<{
    as_of: Instant
    final_through: Instant | null
    verified_through: Instant | null
  }>`
    SELECT now() AS as_of, ${watermark(viewer.tenantId)} AS final_through, ${verifiedThrough} AS verified_through`.execute(
    db,
  )
  const { as_of: asOf, final_through, verified_through } = rows[0] as (typeof rows)[number]
  const finalThrough = final_through ?? undefined
  const info: ResultInfo = {
    source,
    asOf,
    final: finalThrough !== undefined && !isBefore(finalThrough, range.end),
    definition: { metric: names?.join(',') ?? '*', kind: 'event', version: 1 },
    errorBound: 0,
    queryId: kindQueryIdOf(viewer, kind, [
      names === undefined ? null : [...names].sort(),
      range.start,
      range.end,
      ...args,
    ]),
    interval,
    timeZone,
  }
  if (finalThrough !== undefined) info.finalThrough = finalThrough
  if (verified_through !== null) info.verifiedThrough = verified_through
  if (source !== 'rollup') {
    const since = await oldestEventDay(db)
    if (since !== undefined && isBefore(range.start, since)) info.rawSince = since
  }
  return info
}
