import { type RawBuilder, sql } from 'kysely'
import { LIMITS } from '../../../contract/limits.ts'
import { readDimension } from '../../metrics/dimension.ts'

/**
 * A number of a row of `event e`: its value, or a property by its name or dotted path, as metrics count it
 * (core/metrics/backfill-sql.ts); NULL where it is no number.
 */
export function eventNumber(path: string | undefined): RawBuilder<number | null> {
  const dimension = path === undefined ? undefined : readDimension(path)
  if (dimension?.kind !== 'property') return sql`e.value`
  const own = sql`nullif(e.properties -> ${dimension.key}::text, 'null')`
  const found = dimension.path
    ? sql`coalesce(${own}, e.properties #> ${dimension.path}::text[])`
    : own
  return sql`(SELECT CASE WHEN jsonb_typeof(j) = 'number' AND abs(j::numeric) <= ${sql.lit(LIMITS.valueMax)}::numeric THEN j::float8 END
                FROM (SELECT ${found}) p (j))`
}
