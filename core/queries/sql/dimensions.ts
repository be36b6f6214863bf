import { type RawBuilder, sql } from 'kysely'
import { badInput } from '../../lib/api-error.ts'
import { checkText } from '../../lib/check-text.ts'
import {
  ENRICHMENT_FIELDS,
  ENRICHMENT_PREFIX,
  enrichmentField,
  enrichmentSql,
} from '../../metrics/enrichment.ts'
import { QUERY_LIMITS } from '../limits.ts'

export interface DimensionFilter {
  dimension: string
  /** Alternatives; null stands for events without the dimension, as in a group. */
  in: readonly (string | null | undefined)[]
}

const COLUMNS = {
  name: sql<string>`e.name`,
  source: sql<string | null>`e.source`,
  actor: sql<string | null>`e.actor`,
  session: sql<string | null>`e.session`,
}

/** What a dimension's name means before it is looked for in the properties. */
export const COLUMN_DIMENSIONS: readonly string[] = Object.keys(COLUMNS)

/**
 * A dimension's value of a row of `event e`, as text: one of the columns above, a derived field as `enrichment.<field>`,
 * or a property by its name or its dotted path. `properties.name` is the property that one of the others would hide.
 */
export function dimensionOf(argument: string, dimension: string): RawBuilder<string | null> {
  checkText(argument, dimension, QUERY_LIMITS.dimensionCharsMax)
  if (Object.hasOwn(COLUMNS, dimension)) return COLUMNS[dimension as keyof typeof COLUMNS]
  if (dimension.startsWith(ENRICHMENT_PREFIX)) return derivedField(argument, dimension)
  const property = dimension.replace(/^properties\./, '')
  const path = property.split('.')
  if (path.includes('')) throw badInput(argument, `"${dimension}" is not a dimension`)
  if (path.length === 1) return sql`e.properties ->> ${property}::text`
  // A key that contains a dot itself comes first.
  return sql`coalesce(e.properties ->> ${property}::text, e.properties #>> ${path}::text[])`
}

function derivedField(argument: string, dimension: string): RawBuilder<string | null> {
  const field = enrichmentField(dimension)
  if (field === undefined)
    throw badInput(
      argument,
      `"${dimension}" is not a dimension; ${ENRICHMENT_PREFIX} has ${ENRICHMENT_FIELDS.join(', ')}, and a property of this name is properties.${dimension}`,
    )
  return sql.raw(enrichmentSql(field))
}

/** All dimensions of a row as one text[]: arrays compare nulls as equal, as groups need it. */
export function dimensionsOf(groupBy: readonly string[]): RawBuilder<(string | null)[]> {
  if (groupBy.length === 0) return sql`'{}'::text[]`
  return sql`ARRAY[${sql.join(shownDimensions(groupBy))}]::text[]`
}

/** The same, each by itself. */
export function shownDimensions(groupBy: readonly string[]): RawBuilder<string | null>[] {
  return groupBy.map((dimension) => {
    const value = dimensionOf('groupBy', dimension)
    return sql`left(${value}, ${sql.lit(QUERY_LIMITS.dimensionValueCharsMax)})`
  })
}

/** Conditions that a row must all meet; a row without the dimension does, where null is one of its values. */
export function whereFilters(filters: readonly DimensionFilter[]): RawBuilder<unknown> {
  return sql.join(
    filters.map((filter) => sql`AND ${whereFilter(filter)}`),
    sql` `,
  )
}

const whereFilter = ({ dimension, in: values }: DimensionFilter): RawBuilder<unknown> =>
  isOneOf(dimensionOf('filter', dimension), values)

/** Whether the text of a dimension, or its absence, is one of the values of a filter. */
export function isOneOf(
  value: RawBuilder<unknown>,
  values: DimensionFilter['in'],
): RawBuilder<unknown> {
  const texts = values.filter((each) => each != null)
  // As long as a group's value can be, it may stand for all longer ones that begin so.
  const isCut = texts.some((text) => [...text].length === QUERY_LIMITS.dimensionValueCharsMax)
  const shown = isCut ? sql`left(${value}, ${sql.lit(QUERY_LIMITS.dimensionValueCharsMax)})` : value
  const listed = sql`${shown} = ANY (${texts}::text[])`
  return texts.length < values.length ? sql`(${value} IS NULL OR ${listed})` : listed
}

export function checkGroupBy(groupBy: readonly string[]): string[] {
  const unique = [...new Set(groupBy)]
  if (unique.length > QUERY_LIMITS.groupByMax)
    throw badInput('groupBy', `takes at most ${QUERY_LIMITS.groupByMax} dimensions`)
  for (const dimension of unique) dimensionOf('groupBy', dimension)
  return unique
}

export function checkFilters(filters: readonly DimensionFilter[]): readonly DimensionFilter[] {
  if (filters.length > QUERY_LIMITS.filtersMax)
    throw badInput('filter', `takes at most ${QUERY_LIMITS.filtersMax} dimensions`)
  for (const { dimension, in: values } of filters) {
    dimensionOf('filter', dimension)
    if (values.length > QUERY_LIMITS.filterValuesMax)
      throw badInput('filter', `takes at most ${QUERY_LIMITS.filterValuesMax} values a dimension`)
    for (const value of values) if (value != null) checkText('filter', value)
  }
  return filters
}
