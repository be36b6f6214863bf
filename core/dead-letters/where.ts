import { type RawBuilder, sql } from 'kysely'
import { conditionsOf, type DeadLetterFilter } from './filter.ts'

/** The conditions of a filter on `dead_letter d`, each after AND. */
export function whereOf(filter: DeadLetterFilter): RawBuilder<unknown> {
  const conditions = conditionsOf(filter).map(({ column, operator, type, value }) =>
    operator === '= ANY'
      ? sql`AND ${sql.raw(column)} = ANY (${value}::${sql.raw(type)})`
      : sql`AND ${sql.raw(column)} ${sql.raw(operator)} ${value}::${sql.raw(type)}`,
  )
  return conditions.length === 0 ? sql`` : sql.join(conditions, sql` `)
}
