import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { badInput } from '../../lib/api-error.ts'
import type { Instant } from '../instant.ts'
import type { Aggregate } from '../metrics/metrics-args.ts'
import type { QueryResult, ResultInfo } from '../query-result.ts'
import { checkRange, checkTimeZone, type Range } from '../sql/buckets.ts'
import { inSnapshot } from '../sql/days-received.ts'
import { type DimensionFilter, dimensionOf } from '../sql/dimensions.ts'
import { OTHER } from '../sql/names.ts'
import { givenRange, previousPeriod } from '../sql/previous-period.ts'
import { checkLimit } from '../sql/search.ts'
import { countsByValue, describeValueCounts, resolveValueCounts } from '../sql/value-counts.ts'

export interface ContributionsInput {
  /** `*`: all names. */
  name: string
  dimension: string
  startTime: Instant
  endTime: Instant
  /** Another range; the period before by the clock of the zone unless given. Both or neither. */
  previousStart?: Instant | null
  previousEnd?: Instant | null
  timeZone?: string | null
  /** COUNT or SUM: others do not add up. */
  aggregate?: Aggregate | null
  filter?: readonly DimensionFilter[] | null
  limit?: number | null
}

export interface Contribution {
  /** Null: events without this dimension. `(other)` where `isOther`. */
  value: string | null
  before: number
  after: number
  difference: number
  /** The last row: all values that are not listed, together. */
  isOther: boolean
}

/** The rows add up to the difference of the two ranges. */
export interface ContributionsResult extends QueryResult<Contribution> {
  before: number
  after: number
  difference: number
  /** Different values in either range, listed or not. */
  found: number
  previous: Range
  info: ResultInfo
}

/** Sums are decimal until they are rows, so that they do not depend on an order. */
interface Row {
  value: string | null
  /** 0: the whole, 1: listed, 2: the others. */
  part: 0 | 1 | 2
  before: number
  after: number
  difference: number
  found: number
}

/**
 * Which values of a dimension explain the difference between two ranges, the largest differences first.
 * @throws BAD_USER_INPUT that names the argument, QUERY_TOO_SLOW
 */
export async function contributions(
  db: Database,
  viewer: TenantViewer,
  input: ContributionsInput,
): Promise<ContributionsResult> {
  const range = { start: input.startTime, end: input.endTime }
  checkRange(range)
  const limit = checkLimit(input.limit)
  const timeZone = checkTimeZone(input.timeZone ?? 'UTC')
  const aggregate = input.aggregate ?? 'COUNT'
  if (aggregate !== 'COUNT' && aggregate !== 'SUM')
    throw badInput('aggregate', 'must be COUNT or SUM, because parts of others do not add up')
  const { dimension } = input
  dimensionOf('dimension', dimension)
  const given = givenRange(input.previousStart, input.previousEnd)
  return inSnapshot(db, async (db) => {
    const previous = given ?? (await previousPeriod(db, range, timeZone))
    const counted = await resolveValueCounts(db, viewer, { ...input, timeZone }, dimension)
    const ofPrevious = { ...counted, args: { ...counted.args, range: previous } }
    const before = await countsByValue(db, viewer, ofPrevious)
    const after = await countsByValue(db, viewer, counted)
    const number = aggregate === 'SUM' ? sql`p.sum` : sql`p.count`
    const { rows } = await sql<Row>`
      WITH parts AS (
        SELECT p.value, p.shared, ${number} AS before, 0 AS after FROM (${before.sql}) p
        UNION ALL SELECT p.value, p.shared, 0, ${number} FROM (${after.sql}) p),
      valued AS (
        SELECT value, shared, sum(before) AS before, sum(after) AS after FROM parts GROUP BY 1, 2),
      ranked AS (
        SELECT *, row_number() OVER (ORDER BY shared, abs(after - before) DESC, after DESC, value COLLATE "C") AS rank
          FROM valued),
      placed AS (SELECT *, CASE WHEN NOT shared AND rank <= ${limit} THEN 1 ELSE 2 END AS part FROM ranked)
      SELECT CASE part WHEN 1 THEN value END AS value, coalesce(part, 0) AS part, sum(before)::float8 AS before,
             sum(after)::float8 AS after, sum(after - before)::float8 AS difference,
             (SELECT count(*) FROM valued WHERE NOT shared) AS found
        FROM placed GROUP BY GROUPING SETS ((), (part, CASE part WHEN 1 THEN rank END, CASE part WHEN 1 THEN value END))
       ORDER BY 2, min(rank)`.execute(db)
    const source = before.source === after.source ? before.source : 'rollup+raw'
    const info = await describeValueCounts(db, viewer, counted, {
      kind: 'contributions',
      argsOf: (filters) => [dimension, previous, aggregate, filters, limit],
      range: later(range, previous),
      source,
      timeZone,
    })
    const [whole, ...parts] = rows as [Row, ...Row[]]
    return {
      rows: parts.map(({ part, value, before, after, difference }) => {
        const isOther = part === 2
        return { value: isOther ? OTHER : value, before, after, difference, isOther }
      }),
      before: whole.before ?? 0,
      after: whole.after ?? 0,
      difference: whole.difference ?? 0,
      found: whole.found,
      previous,
      source,
      dependencies: counted.metric?.isBackfilling
        ? null
        : [range, previous].map((range) => {
            return { viewer, range, interval: 'TOTAL', final: info.final }
          }),
      info,
    }
  })
}

/** From the earlier start to the later end: both have to be final, and held. */
function later(a: Range, b: Range): Range {
  const [start] = [a.start, b.start].sort()
  const [, end] = [a.end, b.end].sort()
  return { start: start as string, end: end as string }
}
