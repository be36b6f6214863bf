import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../../db/database.ts'
import { binSql, HIGH_SQL, hashSql, LOW_SQL } from '../../../db/tables/sketches.ts'
import type { TenantViewer } from '../../../identity/viewer.ts'
import { ceilBucket15m, floorBucket15m, type Instant } from '../../instant.ts'
import { bucketOf, type Range } from '../../sql/buckets.ts'
import { daysReceived, whereOccurred } from '../../sql/days-received.ts'
import { type Names, whereNames, whereSeries } from '../../sql/names.ts'
import { checkRawBudget } from '../../sql/raw-budget.ts'
import type { MetricsArgs } from '../metrics-args.ts'

/** Actors of more than so many are read as one hash for each register, which gives the same sketch. */
const HASHES_MAX = 20_000

/** A hash of an actor, or a bin of values, of a group and bucket; all null for events without either. */
export interface OpenPart {
  key: number
  name: string
  count: number
  high: number | null
  low: number | null
  /** Not every actor's hash is there. */
  reduced: boolean
  bin: number | null
  min: number | null
  max: number | null
}

/**
 * What the events of a range add to sketches, as Postgres groups it: rows are bounded by what a sketch holds, not by the
 * events.
 * @throws QUERY_TOO_SLOW
 */
export async function readOpenParts(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  args: MetricsArgs,
  range: Range,
): Promise<OpenPart[]> {
  await checkRawBudget(db, viewer, names, range)
  const days = await daysReceived(db, viewer, names, range)
  const bucket = bucketOf(sql`e.occurred_at`, args.interval, args.timeZone, args.range)
  const name = args.groupBy.length === 0 ? sql`''` : sql`e.name`
  const from = sql`FROM event e WHERE ${whereNames(viewer, names)} AND ${whereOccurred(range, days)}`
  const { rows } = await (args.aggregate === 'UNIQUES'
    ? selectHashes(bucket, name, from)
    : selectBins(bucket, name, from)
  ).execute(db)
  return rows
}

const KEY = sql`(extract(epoch FROM d.bucket) * 1000)::float8 AS key, d.name`

function selectHashes(
  bucket: RawBuilder<unknown>,
  name: RawBuilder<unknown>,
  from: RawBuilder<unknown>,
): RawBuilder<OpenPart> {
  return sql<OpenPart>`
    WITH actors AS MATERIALIZED (
      SELECT ${bucket} AS bucket, ${name} AS name, e.actor, count(*) AS count ${from} GROUP BY 1, 2, 3),
    hashed AS (
      SELECT bucket, name, count, ${sql.raw(hashSql('actor'))} AS hash, (SELECT count(*) > ${HASHES_MAX} FROM actors) AS reduced
        FROM actors OFFSET 0),
    d AS (
      -- The least hash of a register has the most zeros.
      SELECT bucket, name, reduced, min(hash) AS hash, sum(count)::float8 AS count
        FROM hashed GROUP BY bucket, name, reduced, CASE WHEN reduced THEN hash >> 50 ELSE hash END)
    SELECT ${KEY}, d.count, d.reduced, ${sql.raw(HIGH_SQL('d.hash'))} AS high, ${sql.raw(LOW_SQL('d.hash'))} AS low FROM d`
}

function selectBins(
  bucket: RawBuilder<unknown>,
  name: RawBuilder<unknown>,
  from: RawBuilder<unknown>,
): RawBuilder<OpenPart> {
  return sql<OpenPart>`
    SELECT ${KEY}, d.count, d.bin, d.min, d.max
      FROM (SELECT ${bucket} AS bucket, ${name} AS name, ${sql.raw(binSql('e.value'))} AS bin, count(*)::float8 AS count,
                   min(e.value) AS min, max(e.value) AS max ${from} GROUP BY 1, 2, 3) d`
}

/** Late events of the 15-minute buckets of a range, by bucket of the result. */
export async function readOpenLate(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  { interval, timeZone, range: whole }: MetricsArgs,
  range: Range,
): Promise<{ key: number; late: number; revised_at: Instant | null }[]> {
  const bucket = bucketOf(sql`r.bucket`, interval, timeZone, whole)
  const { rows } = await sql<{ key: number; late: number; revised_at: Instant | null }>`
    SELECT (extract(epoch FROM ${bucket}) * 1000)::float8 AS key, sum(r.late_count)::float8 AS late,
           max(r.revised_at) AS revised_at
      FROM series s JOIN rollup_15m r ON r.tenant_id = s.tenant_id AND r.series_id = s.series_id
     WHERE ${whereSeries(viewer, names)} AND (r.late_count > 0 OR r.revised_at IS NOT NULL)
       AND r.bucket >= ${floorBucket15m(range.start)}::timestamptz AND r.bucket < ${ceilBucket15m(range.end)}::timestamptz
     GROUP BY 1`.execute(db)
  return rows
}
