import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import type { Instant } from '../instant.ts'
import type { QueryResult, ResultInfo } from '../query-result.ts'
import { checkRange } from '../sql/buckets.ts'
import { inSnapshot } from '../sql/days-received.ts'
import { type DimensionFilter, dimensionOf } from '../sql/dimensions.ts'
import { OTHER } from '../sql/names.ts'
import { checkLimit, searchOf } from '../sql/search.ts'
import { countsByValue, describeValueCounts, resolveValueCounts } from '../sql/value-counts.ts'

export interface TopValuesInput {
  /** `*`: all names. */
  name: string
  dimension: string
  startTime: Instant
  endTime: Instant
  filter?: readonly DimensionFilter[] | null
  /** Lists values that contain it, in any case, and first those that begin with it. */
  search?: string | null
  limit?: number | null
}

export interface ValueCount {
  /** Null: events without this dimension. `(other)` where `isOther`. */
  value: string | null
  count: number
  /** Of all events of the range that the filter leaves. */
  share: number
  /** The last row: all events whose value is not listed. */
  isOther: boolean
}

/** The rows add up to `total`. */
export interface TopValuesResult extends QueryResult<ValueCount> {
  total: number
  /** Different values that match the search, listed or not. */
  found: number
  info: ResultInfo
}

interface Row {
  value: string | null
  /** Null in the only row where no value is listed. */
  count: number | null
  total: number
  found: number
}

/**
 * The most frequent values of a dimension with their exact counts; all other events are the last row.
 * @throws BAD_USER_INPUT that names the argument, QUERY_TOO_SLOW
 */
export async function topValues(
  db: Database,
  viewer: TenantViewer,
  input: TopValuesInput,
): Promise<TopValuesResult> {
  const range = { start: input.startTime, end: input.endTime }
  checkRange(range)
  const limit = checkLimit(input.limit)
  const search = searchOf(input.search)
  const { dimension } = input
  dimensionOf('dimension', dimension)
  return inSnapshot(db, async (db) => {
    const counted = await resolveValueCounts(db, viewer, input, dimension)
    const parts = await countsByValue(db, viewer, counted)
    const value = sql`p.value`
    const { rows } = await sql<Row>`
      WITH parts AS MATERIALIZED (${parts.sql}),
      matching AS (
        SELECT p.value, sum(p.count)::bigint AS count,
               row_number() OVER (ORDER BY ${search.order(value)}, sum(p.count) DESC, p.value COLLATE "C") AS rank
          FROM parts p WHERE NOT p.shared AND ${search.matches(value)} GROUP BY p.value)
      SELECT m.value, m.count, t.total, (SELECT count(*) FROM matching) AS found
        FROM (SELECT coalesce(sum(count), 0)::bigint AS total FROM parts) t
        LEFT JOIN matching m ON m.rank <= ${limit} ORDER BY m.rank`.execute(db)
    const { total, found } = rows[0] as Row
    const info = await describeValueCounts(db, viewer, counted, {
      kind: 'topValues',
      argsOf: (filters) => [dimension, filters, input.search ?? '', limit],
      range,
      source: parts.source,
    })
    const listed = rows.filter((row): row is Row & { count: number } => row.count !== null)
    return {
      rows: withOther(listed, total),
      total,
      found,
      source: parts.source,
      dependencies: counted.metric?.isBackfilling
        ? null
        : [{ viewer, range, interval: 'TOTAL', final: info.final }],
      info,
    }
  })
}

function withOther(listed: readonly { value: string | null; count: number }[], total: number) {
  const rows: ValueCount[] = listed.map(({ value, count }) => ({
    value,
    count,
    share: count / total,
    isOther: false,
  }))
  const rest = listed.reduce((left, { count }) => left - count, total)
  if (rest > 0) rows.push({ value: OTHER, count: rest, share: rest / total, isOther: true })
  return rows
}
