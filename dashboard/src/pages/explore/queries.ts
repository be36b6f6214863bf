import type { ResultOf, VariablesOf } from 'gql.tada'
import { execute, type Result } from '../../lib/api/client.ts'
import { EVENT, type StoredEvent } from '../../lib/api/documents.ts'
import { graphql } from '../../lib/api/graphql.ts'

/** The GraphQL documents of this page. */

/** With `isSplit` the value of each group over the whole range too: averages and uniques do not add up. */
export const SERIES = graphql(`
  query Explore(
    $tenant: ID, $name: String!, $startTime: DateTime!, $endTime: DateTime!, $interval: Interval
    $timeZone: String, $aggregate: Aggregate, $groupBy: [String!], $filter: [DimensionFilter!], $isSplit: Boolean!
  ) {
    points: metrics(
      tenant: $tenant, name: $name, startTime: $startTime, endTime: $endTime, interval: $interval
      timeZone: $timeZone, aggregate: $aggregate, groupBy: $groupBy, filter: $filter
    ) { timestamp value dimensions isFinal lateCount revisedAt }
    groups: metrics(
      tenant: $tenant, name: $name, startTime: $startTime, endTime: $endTime, interval: TOTAL
      timeZone: $timeZone, aggregate: $aggregate, groupBy: $groupBy, filter: $filter
    ) @include(if: $isSplit) { value dimensions }
  }
`)
export type SeriesVariables = VariablesOf<typeof SERIES>
export type SeriesPoint = ResultOf<typeof SERIES>['points'][number]
export type GroupTotal = Pick<SeriesPoint, 'value' | 'dimensions'>

/** What the server says about a result; GraphQL does not type extensions. */
export interface ResultInfo {
  source: string
  asOf: string
  final: boolean
  definition: { metric: string; kind: string; version: number }
  errorBound: number
  queryId: string
  finalThrough?: string
  groups?: { found: number; listed: number }
  rawSince?: string
}

export interface SeriesResult {
  points: SeriesPoint[]
  groups: GroupTotal[] | undefined
  info: ResultInfo
}

export async function fetchSeries(variables: SeriesVariables): Promise<Result<SeriesResult>> {
  const result = await execute(SERIES, variables)
  if (!result.ok) return result
  const { metrics } = (result.extensions ?? {}) as { metrics?: Record<string, ResultInfo> }
  const info = metrics?.points as ResultInfo
  return { ok: true, data: { points: result.data.points, groups: result.data.groups, info } }
}

/** Newest received first. */
export const POINT_EVENTS = graphql(
  `
    query PointEvents(
      $tenant: ID, $name: String, $startTime: DateTime!, $endTime: DateTime!
      $filter: [DimensionFilter!], $first: Int!, $after: String
    ) {
      events(
        tenant: $tenant, name: $name, startTime: $startTime, endTime: $endTime
        filter: $filter, first: $first, after: $after
      ) {
        totalCount
        edges { node { ...StoredEvent } }
        pageInfo { hasNextPage endCursor }
      }
    }
  `,
  [EVENT],
)
type PointEventsVariables = Omit<VariablesOf<typeof POINT_EVENTS>, 'first' | 'after'>

export interface PointEvents {
  events: StoredEvent[]
  totalCount: number
  readAt: number
}

const PAGE_SIZE = 100

/** Which events a declared metric counts. */
export const METRIC_EVENTS = graphql(`
  query ExploreMetricEvents($tenant: ID, $name: String!) {
    metricDefinitions(tenant: $tenant, name: $name) { events filter { dimension in } }
  }
`)

/**
 * As many pages as are shown, one after the other.
 * @param asked.metric the declared metric that is counted, whose events have other names
 */
export async function fetchPointEvents({
  pages,
  metric,
  ...asked
}: PointEventsVariables & { pages: number; metric: string | undefined }): Promise<
  Result<PointEvents>
> {
  const selected = await selectionOf(asked, metric)
  if (!selected.ok) return selected
  const variables = selected.data
  const events: StoredEvent[] = []
  let after: string | null = null
  let totalCount = 0
  for (let page = 0; page < pages; page++) {
    const result: Result<ResultOf<typeof POINT_EVENTS>> = await execute(POINT_EVENTS, {
      ...variables,
      first: PAGE_SIZE,
      after,
    })
    if (!result.ok) return result
    const found: ResultOf<typeof POINT_EVENTS>['events'] = result.data.events
    totalCount = found.totalCount
    events.push(...found.edges.map(({ node }) => node))
    if (!found.pageInfo.hasNextPage) break
    after = found.pageInfo.endCursor
  }
  return { ok: true, data: { events, totalCount, readAt: Date.now() } }
}

/** The events of a declared metric are those of its names that its filter leaves. */
async function selectionOf(
  asked: PointEventsVariables,
  metric: string | undefined,
): Promise<Result<PointEventsVariables>> {
  if (metric === undefined) return { ok: true, data: asked }
  const result = await execute(METRIC_EVENTS, { tenant: asked.tenant ?? null, name: metric })
  if (!result.ok) return result
  const [definition] = result.data.metricDefinitions
  if (definition === undefined)
    return { ok: false, error: { kind: 'refused', message: 'The metric was retired.' } }
  const own = [
    ...definition.filter,
    ...(definition.events ? [{ dimension: 'name', in: definition.events }] : []),
  ]
  const all = new Map<string, readonly (string | null)[]>()
  for (const { dimension, in: values } of [...own, ...[asked.filter ?? []].flat()])
    all.set(dimension, all.get(dimension)?.filter((value) => values.includes(value)) ?? values)
  const filter = [...all].map(([dimension, values]) => ({ dimension, in: [...values] }))
  return { ok: true, data: { ...asked, name: null, filter } }
}
