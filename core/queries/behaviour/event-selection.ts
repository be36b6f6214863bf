import { type RawBuilder, sql } from 'kysely'
import { parseNames } from '../metrics/metrics-args.ts'
import { sortedFilters } from '../metrics/query-id.ts'
import { checkFilters, type DimensionFilter, whereFilters } from '../sql/dimensions.ts'
import type { RawBudget } from '../sql/raw-budget.ts'

/** Events of a name that all filters leave. */
export interface EventSelection {
  /** `*`: all names. */
  name: string
  filter?: readonly DimensionFilter[] | null
}

export interface CheckedSelection {
  /** Undefined: all names. */
  names: readonly string[] | undefined
  filters: readonly DimensionFilter[]
}

/** @throws BAD_USER_INPUT that names the argument */
export function checkSelection({ name, filter }: EventSelection): CheckedSelection {
  const filters = checkFilters(filter ?? [])
  return {
    names: parseNames(name, filters),
    filters: filters.filter(({ dimension }) => dimension !== 'name'),
  }
}

/** Whether a row of `event e` is one of them. */
export function isSelected({ names, filters }: CheckedSelection): RawBuilder<boolean> {
  const named = names === undefined ? sql`true` : sql`e.name = ANY (${names}::text[])`
  // A filter of a row without the dimension is NULL.
  return sql`coalesce(${named} ${whereFilters(filters)}, false)`
}

/** Of all of them together; undefined: all names. */
export function namesOf(selections: readonly CheckedSelection[]): readonly string[] | undefined {
  const names = new Set<string>()
  for (const selection of selections) {
    if (selection.names === undefined) return undefined
    for (const name of selection.names) names.add(name)
  }
  return [...names]
}

/** For a query id: the same for filters in another order. */
export function selectionKey({ names, filters }: CheckedSelection): unknown {
  return [names === undefined ? null : [...names].sort(), sortedFilters(filters)]
}

/** Sorting an actor's events costs more than counting them. */
export function budgetOf(max: number, what: string): RawBudget {
  return {
    max,
    advice: `A ${what} sorts single events by actor, which is too expensive for so many. Try a shorter range, or event names that are less frequent instead of "*".`,
  }
}
