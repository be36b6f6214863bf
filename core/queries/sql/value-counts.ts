import { type RawBuilder, sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { OTHER_METRIC } from '../../db/series-names.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { QUERY_LIMITS } from '../limits.ts'
import type { Source } from '../query-result.ts'
import type { Range } from './buckets.ts'
import { countsFromRollups } from './counts.ts'
import { daysReceived, whereOccurred } from './days-received.ts'
import { type DimensionFilter, dimensionOf, whereFilters } from './dimensions.ts'
import { type Names, whereNames } from './names.ts'
import { checkRawBudget } from './raw-budget.ts'

export interface ValueCounts {
  /** Without filters on the name, which are in `names`. */
  filters: readonly DimensionFilter[]
  dimension: string
  range: Range
}

/**
 * Rows `(value, shared, count, sum)`, several for one value: all events of the range by a dimension, each counted once.
 * `shared`: names that are counted together, because the tenant has more of them than series. Sums are decimal and
 * exact, so that they do not depend on an order.
 * @throws QUERY_TOO_SLOW when too many single events would be read
 */
export async function countsByValue(
  db: Database,
  viewer: TenantViewer,
  names: Names,
  { dimension, filters, range }: ValueCounts,
): Promise<{ sql: RawBuilder<unknown>; source: Source }> {
  if (dimension === 'name' && filters.length === 0 && names.haveOwnSeries) {
    const counts = await countsFromRollups(db, viewer, names, {
      range,
      interval: 'TOTAL',
      timeZone: 'UTC',
      byName: true,
    })
    return {
      source: counts.source,
      sql: sql`SELECT c.name AS value, c.name = ${OTHER_METRIC} AS shared, c.count, c.sum::text::numeric AS sum
                 FROM (${counts.sql}) c`,
    }
  }
  await checkRawBudget(db, viewer, names, range)
  const days = await daysReceived(db, viewer, names, range)
  const value = sql`left(${dimensionOf('dimension', dimension)}, ${sql.lit(QUERY_LIMITS.dimensionValueCharsMax)})`
  return {
    source: 'raw',
    sql: sql`SELECT ${value} AS value, false AS shared, count(*) AS count,
                    coalesce(sum(e.value::text::numeric), 0) AS sum
               FROM event e
              WHERE ${whereNames(viewer, names)} AND ${whereOccurred(range, days)} ${whereFilters(filters)}
              GROUP BY 1`,
  }
}
