import type { SearchOption } from '../../components/search-list.tsx'
import { execute, type Result } from '../../lib/api/client.ts'
import { graphql } from '../../lib/api/graphql.ts'
import { createQuery, type Query } from '../../lib/api/query.ts'
import { compact } from '../../lib/format.ts'
import { type Explore, isRetried, useExplore } from './context.ts'
import { NONE } from './series.ts'

/** What the chips offer while somebody types. */

const NAMES = graphql(`
  query ExploreNames($tenant: ID, $startTime: DateTime!, $endTime: DateTime!) {
    totals(tenant: $tenant, startTime: $startTime, endTime: $endTime, names: 100) { names { name count } }
  }
`)

/** The dimensions of the newest events. */
const SAMPLE = graphql(`
  query ExploreSample($tenant: ID, $name: String) {
    events(tenant: $tenant, name: $name, first: 50) { edges { node { properties } } }
  }
`)

const VALUES = graphql(`
  query ExploreValues(
    $tenant: ID, $name: String!, $startTime: DateTime!, $endTime: DateTime!
    $groupBy: [String!], $filter: [DimensionFilter!]
  ) {
    metrics(
      tenant: $tenant, name: $name, startTime: $startTime, endTime: $endTime
      interval: TOTAL, groupBy: $groupBy, filter: $filter
    ) { value dimensions }
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

/** A list of options of the moment in which a chip was opened. */
function createOptions<V>(
  variables: () => V,
  fetch: (variables: V) => Promise<Result<SearchOption[]>>,
): Query<SearchOption[]> {
  const first = variables()
  return createQuery({ scope: () => 'options', variables: () => first, isRetried, fetch })
}

/** Event names of the range, the most frequent first. */
export function createNameOptions(): Query<SearchOption[]> {
  const explore = useExplore()
  return createOptions(
    () => rangeOf(explore),
    async (variables) => {
      const result = await execute(NAMES, variables)
      if (!result.ok) return result
      const names = result.data.totals.names.filter(({ name }) => name !== '(other)')
      const options = names.map(({ name, count }) => ({
        value: name,
        label: name,
        note: compact(count),
      }))
      return { ok: true, data: options }
    },
  )
}

/** The fields that every event has, and the properties of the newest events with the chosen name. */
export function createDimensionOptions(): Query<SearchOption[]> {
  const { tenant, query } = useExplore()
  return createOptions(
    () => ({ tenant: tenant(), name: query().name }),
    async (variables) => {
      const result = await execute(SAMPLE, variables)
      if (!result.ok) return result
      const paths = new Map<string, string>()
      for (const { node } of result.data.events.edges) addPaths(paths, node.properties, '')
      const properties = [...paths]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([path, type]) => ({ value: path, label: path, note: type }))
      return { ok: true, data: [...COLUMNS, ...properties] }
    },
  )
}

const PATHS_MAX = 500
const DEPTH_MAX = 4

function addPaths(paths: Map<string, string>, value: Record<string, unknown>, prefix: string) {
  for (const [key, member] of Object.entries(value)) {
    const isHidden = prefix === '' && COLUMNS.some((column) => column.value === key)
    const path = isHidden ? `properties.${key}` : `${prefix}${key}`
    if (key === '' || path.length > 256 || paths.size >= PATHS_MAX) continue
    const isObject = typeof member === 'object' && member !== null && !Array.isArray(member)
    if (!isObject) paths.set(path, Array.isArray(member) ? 'list' : typeof member)
    else if (path.split('.').length < DEPTH_MAX)
      addPaths(paths, member as Record<string, unknown>, `${path}.`)
  }
}

/** Values of a dimension in the range, the most frequent first, with the other filters applied. */
export function createValueOptions(dimension: string): Query<SearchOption[]> {
  const explore = useExplore()
  return createOptions(
    () => {
      const { name, filter } = explore.variables()
      const others = [filter ?? []].flat().filter((each) => each.dimension !== dimension)
      return { ...rangeOf(explore), name, groupBy: [dimension], filter: others }
    },
    async (variables) => {
      const result = await execute(VALUES, variables)
      if (!result.ok) return result
      const options = result.data.metrics
        .map(({ value, dimensions }) => ({
          value: dimensions[dimension] as string | null,
          count: value,
        }))
        .filter(({ value }) => value !== '(other)')
        .map(({ value, count }) => ({ value, label: value ?? NONE, note: compact(count) }))
      return { ok: true, data: options }
    },
  )
}
