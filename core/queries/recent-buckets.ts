import { sql } from 'kysely'
import type { Database } from '../db/database.ts'
import type { TenantViewer } from '../identity/viewer.ts'
import { badInput } from '../lib/api-error.ts'
import type { Instant } from './instant.ts'
import { QUERY_LIMITS } from './limits.ts'
import type { QueryResult } from './query-result.ts'
import { firstDayReceived, whereOccurred } from './sql/days-received.ts'
import { OTHER, resolveNames, whereNames } from './sql/names.ts'
import { checkRawBudget } from './sql/raw-budget.ts'

/** Events of a name that occurred in a few seconds. */
export interface RecentBucket {
  /** Start of the bucket. */
  timestamp: Instant
  name: string
  count: number
}

export interface RecentBucketsArgs {
  /** How long ago the first of them occurred, at most. */
  windowSeconds: number
  bucketSeconds: number
}

const WINDOW_SECONDS_MAX = 3_600
const BUCKETS_MAX = 360

/**
 * Counts of the last seconds by name, shorter than any rollup: from single events, by Postgres' clock. The newest bucket
 * comes first, and is still open. Names beyond the most frequent ones are counted together.
 * @throws BAD_USER_INPUT that names the argument, QUERY_TOO_SLOW
 */
export async function recentBuckets(
  db: Database,
  viewer: TenantViewer,
  { windowSeconds, bucketSeconds }: RecentBucketsArgs,
): Promise<QueryResult<RecentBucket>> {
  if (!(windowSeconds >= 1 && windowSeconds <= WINDOW_SECONDS_MAX))
    throw badInput('windowSeconds', `must be between 1 and ${WINDOW_SECONDS_MAX}`)
  if (!(bucketSeconds >= 1 && windowSeconds / bucketSeconds <= BUCKETS_MAX))
    throw badInput('bucketSeconds', `must be at least 1 and give at most ${BUCKETS_MAX} buckets`)
  // Read first: Postgres plans for the partitions of all days unless it knows the time by then.
  const { rows: times } = await sql<{ start: Instant; end: Instant }>`
    SELECT now() - make_interval(secs => ${windowSeconds}) AS start, now() AS end`.execute(db)
  const range = times[0] as (typeof times)[number]
  const names = await resolveNames(db, viewer, undefined)
  await checkRawBudget(db, viewer, names, range)
  const days = { from: firstDayReceived(range.start) }
  const { rows } = await sql<RecentBucket>`
    WITH counted AS (
      SELECT date_bin(make_interval(secs => ${bucketSeconds}), e.occurred_at, 'epoch') AS at, e.name, count(*) AS count
        FROM event e WHERE ${whereNames(viewer, names)} AND ${whereOccurred(range, days)} GROUP BY 1, 2
    ), ranked AS (
      SELECT name, row_number() OVER (ORDER BY sum(count) DESC, name) AS rank FROM counted GROUP BY name
    )
    SELECT c.at AS timestamp, CASE WHEN r.rank <= ${sql.lit(QUERY_LIMITS.groupsMax)} THEN c.name ELSE ${OTHER} END AS name,
           sum(c.count)::bigint AS count
      FROM counted c JOIN ranked r ON r.name = c.name
     GROUP BY 1, 2 ORDER BY 1 DESC, 2`.execute(db)
  return { rows, source: 'raw', dependencies: null }
}
