import { createSignal, onCleanup } from 'solid-js'
import type { SearchOption } from '../../components/search-list.tsx'
import { execute, type Result } from '../../lib/api/client.ts'
import { graphql } from '../../lib/api/graphql.ts'
import { createQuery, type Query } from '../../lib/api/query.ts'
import { compact } from '../../lib/format.ts'
import { type Explore, isRetried, useExplore } from './context.ts'
import { NONE } from './series.ts'

/** What the chips offer while somebody types. */

const NAMES = graphql(`
  query ExploreNames($tenant: ID, $startTime: DateTime!, $endTime: DateTime!, $search: String) {
    eventNames(tenant: $tenant, startTime: $startTime, endTime: $endTime, search: $search, limit: 50) {
      names { name count }
    }
  }
`)

const PROPERTIES = graphql(`
  query ExploreProperties($tenant: ID, $name: String!, $startTime: DateTime!, $endTime: DateTime!) {
    properties(tenant: $tenant, name: $name, startTime: $startTime, endTime: $endTime) {
      properties { path types share }
    }
  }
`)

const VALUES = graphql(`
  query ExploreValues(
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

const rangeOf = ({ variables, tenant }: Explore) => {
  const { startTime, endTime } = variables()
  return { tenant: tenant(), startTime, endTime }
}

/** For the time that somebody types on: a search reads single events. */
const TYPING_MS = 150

export interface Options {
  options(): readonly SearchOption[]
  /** They are not those of what is typed yet. */
  isLoading(): boolean
  error: Query<unknown>['error']
  search(text: string): void
}

/** Options of the moment in which a list was opened, and of the search in it. */
function createOptions<V extends object>(
  variables: () => V,
  fetch: (variables: V & { search: string | null }) => Promise<Result<SearchOption[]>>,
  { isSearched = true } = {},
): Options {
  const first = variables()
  const [typed, setTyped] = createSignal('')
  const [search, setSearch] = createSignal('')
  let timer: ReturnType<typeof setTimeout> | undefined
  onCleanup(() => clearTimeout(timer))
  const query = createQuery({
    scope: () => 'options',
    variables: () => ({ ...first, search: search() || null }),
    isRetried,
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
export function createNameOptions(): Options {
  const explore = useExplore()
  return createOptions(
    () => rangeOf(explore),
    async (variables) => {
      const result = await execute(NAMES, variables)
      if (!result.ok) return result
      const options = result.data.eventNames.names.map(({ name, count }) => ({
        value: name,
        label: name,
        note: count === null ? undefined : compact(count),
      }))
      return { ok: true, data: options }
    },
  )
}

/** The fields that every event has, and the properties of events with the chosen name, the most frequent first. */
export function createDimensionOptions(): Options {
  const explore = useExplore()
  return createOptions(
    () => ({ ...rangeOf(explore), name: explore.query().name ?? '*' }),
    async ({ search: _, ...variables }) => {
      const result = await execute(PROPERTIES, variables)
      if (!result.ok) return result
      const properties = result.data.properties.properties.map(({ path, types, share }) => ({
        value: path,
        label: path,
        note: `${types.join(', ')} · ${Math.round(share * 100)} %`,
      }))
      return { ok: true, data: [...COLUMNS, ...properties] }
    },
    { isSearched: false },
  )
}

/** Values of a dimension in the range, the most frequent first, with the other filters applied. */
export function createValueOptions(dimension: string): Options {
  const explore = useExplore()
  return createOptions(
    () => {
      const { name, filter } = explore.variables()
      const others = [filter ?? []].flat().filter((each) => each.dimension !== dimension)
      return { ...rangeOf(explore), name, dimension, filter: others }
    },
    async (variables) => {
      const result = await execute(VALUES, variables)
      if (!result.ok) return result
      const options = result.data.topValues.values
        .filter(({ isOther }) => !isOther)
        .map(({ value, count }) => ({ value, label: value ?? NONE, note: compact(count) }))
      return { ok: true, data: options }
    },
  )
}
