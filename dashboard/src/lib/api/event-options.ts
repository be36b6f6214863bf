import { createSignal, onCleanup } from 'solid-js'
import type { SearchOption } from '../../components/forms/search-list.tsx'
import { compact } from '../format.ts'
import { type ApiError, execute, type Result } from './client.ts'
import { graphql } from './graphql.ts'
import { createQuery, type Query } from './query.ts'

/** What fields offer while somebody types: names of events, their properties, and values of those. */

const NAMES = graphql(`
  query EventNameOptions($tenant: ID, $startTime: DateTime!, $endTime: DateTime!, $search: String) {
    eventNames(tenant: $tenant, startTime: $startTime, endTime: $endTime, search: $search, limit: 50) {
      names { name count }
    }
  }
`)

const PROPERTIES = graphql(`
  query PropertyOptions($tenant: ID, $name: String!, $startTime: DateTime!, $endTime: DateTime!) {
    properties(tenant: $tenant, name: $name, startTime: $startTime, endTime: $endTime) {
      properties { path types share }
    }
  }
`)

const VALUES = graphql(`
  query ValueOptions(
    $tenant: ID, $name: String!, $dimension: String!, $startTime: DateTime!, $endTime: DateTime!
    $filter: [DimensionFilter!], $search: String
  ) {
    topValues(
      tenant: $tenant, name: $name, dimension: $dimension, startTime: $startTime, endTime: $endTime
      filter: $filter, search: $search, limit: 50
    ) { values { value count isOther } }
  }
`)

const COLUMNS: readonly SearchOption[] = [
  { value: 'name', label: 'name', note: 'field' },
  { value: 'actor', label: 'actor', note: 'field' },
  { value: 'session', label: 'session', note: 'field' },
  { value: 'source', label: 'source', note: 'field' },
]

/** For the time that somebody types on: a search reads single events. */
const TYPING_MS = 150

export interface Options {
  options(): readonly SearchOption[]
  /** They are not those of what is typed yet. */
  isLoading(): boolean
  error: Query<unknown>['error']
  search(text: string): void
}

/** Where options are looked for. Times are RFC 3339. */
export interface EventRange {
  tenant: string
  startTime: string
  endTime: string
}

/** Options of the moment in which a list was opened, and of the search in it. */
function createOptions<V extends object>(
  first: V,
  fetch: (variables: V & { search: string | null }) => Promise<Result<SearchOption[]>>,
  { isSearched = true } = {},
): Options {
  const [typed, setTyped] = createSignal('')
  const [search, setSearch] = createSignal('')
  let timer: ReturnType<typeof setTimeout> | undefined
  onCleanup(() => clearTimeout(timer))
  const query = createQuery({
    scope: () => 'options',
    variables: () => ({ ...first, search: search() || null }),
    isRetried: ({ refusal }: ApiError) => refusal === undefined,
    async fetch(variables) {
      const result = await fetch(variables)
      if (!result.ok) return result
      return { ok: true, data: { search: variables.search ?? '', options: result.data } }
    },
  })
  return {
    options: () => query.data()?.options ?? [],
    isLoading: () => query.error() === undefined && query.data()?.search !== typed(),
    error: query.error,
    search(text) {
      if (!isSearched) return
      setTyped(text)
      clearTimeout(timer)
      timer = setTimeout(() => setSearch(text), TYPING_MS)
    },
  }
}

/** Event names of the range, the most frequent first. */
export function createNameOptions(range: EventRange): Options {
  return createOptions(range, async (variables) => {
    const result = await execute(NAMES, variables)
    if (!result.ok) return result
    const options = result.data.eventNames.names.map(({ name, count }) => ({
      value: name,
      label: name,
      note: count === null ? undefined : compact(count),
    }))
    return { ok: true, data: options }
  })
}

/** The fields that every event has, and the properties of events with that name, the most frequent first. @param name "*": any */
export function createDimensionOptions(range: EventRange & { name: string }): Options {
  return createPropertyOptions(range, () => COLUMNS)
}

/** `value`, and the properties that are numbers. */
export function createNumberOptions(range: EventRange & { name: string }): Options {
  const field = { value: 'value', label: 'value', note: 'field' }
  return createPropertyOptions(
    range,
    () => [field],
    (types) => types.includes('number'),
  )
}

function createPropertyOptions(
  range: EventRange & { name: string },
  fields: () => readonly SearchOption[],
  isOffered: (types: readonly string[]) => boolean = () => true,
): Options {
  return createOptions(
    range,
    async ({ search: _, ...variables }) => {
      const result = await execute(PROPERTIES, variables)
      if (!result.ok) return result
      const properties = result.data.properties.properties
        .filter(({ types }) => isOffered(types))
        .map(({ path, types, share }) => ({
          value: path,
          label: path,
          note: `${types.join(', ')} · ${Math.round(share * 100)} %`,
        }))
      return { ok: true, data: [...fields(), ...properties] }
    },
    { isSearched: false },
  )
}

/** Values of a dimension in the range, the most frequent first. @param noneLabel for events without the dimension */
export function createValueOptions(
  range: EventRange & {
    name: string
    dimension: string
    filter?: readonly { dimension: string; in: (string | null)[] }[]
  },
  noneLabel: string,
): Options {
  const { filter, ...rest } = range
  const first = { ...rest, filter: filter ? [...filter] : null }
  return createOptions(first, async (variables) => {
    const result = await execute(VALUES, variables)
    if (!result.ok) return result
    const options = result.data.topValues.values
      .filter(({ isOther }) => !isOther)
      .map(({ value, count }) => ({ value, label: value ?? noneLabel, note: compact(count) }))
    return { ok: true, data: options }
  })
}
