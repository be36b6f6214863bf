import { useLocation, useSearchParams } from '@solidjs/router'
import { type Accessor, createContext, createMemo, useContext } from 'solid-js'
import type { Point } from '../../charts/points.ts'
import type { ApiError } from '../../lib/api/client.ts'
import { createQuery, type Query } from '../../lib/api/query.ts'
import { createQueryGroup, type QueryGroup } from '../../lib/api/query-group.ts'
import { type AppState, useApp } from '../../lib/app-context.ts'
import { rangeLabelOf } from '../../lib/format.ts'
import { createLiveClock } from '../../lib/time/clock.ts'
import {
  hasBucketsOf,
  isSameWindow,
  type ResolvedRange,
  rebucket,
  resolveRange,
} from '../../lib/time/range.ts'
import { type Mode, parseMode } from './behaviour/state.ts'
import { type Comparison, fetchComparison, previousPoints } from './comparison.ts'
import { fetchSeries, type SeriesVariables } from './queries.ts'
import {
  type ExploreQuery,
  isAdditive,
  isZeroWithoutEvents,
  parsePoint,
  parseQuery,
  parseRegion,
  parseSince,
  pointParams,
  queryParams,
  type Region,
  regionParams,
  type SelectedPoint,
} from './query-state.ts'
import { type Series, toSeries } from './series.ts'

/** What the parts of the page share. */
export interface Explore extends AppState {
  /** Of the URL. */
  params: Accessor<URLSearchParams>
  setParams(changes: Record<string, string | string[] | null>): void
  mode: Accessor<Mode>
  query: Accessor<ExploreQuery>
  /** Changes the query; the selected point belongs to the query before, so it goes. */
  setQuery(changes: Partial<ExploreQuery>): void
  point: Accessor<SelectedPoint | undefined>
  setPoint(point: SelectedPoint | undefined): void
  /** The part of the range whose change is explained. */
  region: Accessor<Region | undefined>
  setRegion(region: Region | undefined): void
  /** The moment of an earlier result; what changed since then is explained. RFC 3339 */
  since: Accessor<string | undefined>
  setSince(since: string | undefined): void
  /** Whether the period before is shown as well; for one line only. */
  isCompared: Accessor<boolean>
  setCompared(isCompared: boolean): void
  /** In the buckets that are counted. */
  range: Accessor<ResolvedRange>
  /** "last 24 hours", or the dates of an absolute range. */
  rangeLabel: Accessor<string>
  /** Range, zone and query as text. */
  scope: Accessor<string>
  /** What the server is asked. */
  variables: Accessor<SeriesVariables>
  queries: QueryGroup
  series: Query<Series>
  comparison: Query<Comparison>
  /** The period before at the times of the series. */
  previous: Accessor<Point[] | undefined>
}

export const ExploreContext = createContext<Explore>()

export function useExplore(): Explore {
  const explore = useContext(ExploreContext)
  if (explore === undefined) throw new Error('useExplore is called outside of the page')
  return explore
}

/** Builds what the parts share, for the tenant of the page. */
export function createExplore(): Explore {
  const app = useApp()
  const { urlState, live, now, tenant } = app
  const location = useLocation()
  const setParams = useSearchParams()[1]
  const params = createMemo(() => new URLSearchParams(location.search))
  const query = createMemo(() => parseQuery(params()), undefined, { equals: isSame })
  const point = createMemo(() => parsePoint(params(), query().groupBy.length), undefined, {
    equals: isSame,
  })
  const mode = createMemo(() => parseMode(params()))
  const clock = createLiveClock(app)
  const range = createMemo(
    () => bucketsFor(query(), resolveRange(urlState.range(), clock(), urlState.zone())),
    undefined,
    { equals: isSameWindow },
  )
  const scope = createMemo(() =>
    JSON.stringify([urlState.range(), urlState.zone(), queryParams(query())]),
  )
  const variables = createMemo(() => variablesOf(query(), range(), tenant()), undefined, {
    equals: isSame,
  })
  const queries = createQueryGroup({ live, now })
  const series = queries.add(
    createQuery({
      scope,
      variables: () => (mode() === 'trend' ? variables() : undefined),
      isRetried,
      async fetch(variables) {
        const [asked, askedRange] = [query(), range()]
        const result = await fetchSeries(variables)
        return result.ok ? { ok: true, data: toSeries(asked, askedRange, result.data) } : result
      },
    }),
  )
  const region = createMemo(() => parseRegion(params()), undefined, { equals: isSame })
  const since = createMemo(() => parseSince(params()))
  const isCompared = createMemo(() => params().get('compare') === 'previous')
  const comparison = queries.add(
    createQuery({
      scope,
      isRetried,
      variables: () =>
        mode() === 'trend' && isCompared() && canCompare(query()) ? variables() : undefined,
      fetch: fetchComparison,
    }),
    { isPast: true },
  )
  const previous = createMemo(() => {
    const [data, found] = [series.data(), comparison.data()]
    const isCurrent = series.dataScope() === comparison.dataScope()
    if (!isCompared() || !data || !found || !isCurrent || !canCompare(data.query)) return undefined
    return previousPoints(data, found, isZeroWithoutEvents(data.query.aggregate) ? 0 : Number.NaN)
  })
  return {
    ...app,
    params,
    setParams: (changes) => setParams(changes),
    mode,
    query,
    setQuery: (changes) =>
      setParams({ ...queryParams({ ...query(), ...changes }), ...pointParams(undefined) }),
    point,
    setPoint: (selected) =>
      setParams({ ...pointParams(selected), ...regionParams(undefined) }, { scroll: false }),
    region,
    setRegion: (chosen) =>
      setParams({ ...regionParams(chosen), ...pointParams(undefined) }, { scroll: false }),
    since,
    setSince: (moment) => setParams({ since: moment ?? null }, { scroll: false }),
    isCompared,
    setCompared: (compared) => setParams({ compare: compared ? 'previous' : null }),
    comparison,
    previous,
    range,
    rangeLabel: () => rangeLabelOf(urlState.range(), urlState.zone()),
    scope,
    variables,
    queries,
    series,
  }
}

/** The period before is drawn behind one line. */
export const canCompare = ({ groupBy, interval }: ExploreQuery): boolean =>
  groupBy.length === 0 && interval !== 'TOTAL'

/** A refused query is refused again: only a changed one is sent. */
export const isRetried = ({ refusal }: ApiError): boolean => refusal === undefined

const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)

/** By the chosen interval, unless the range has too many of them, or none. */
function bucketsFor({ interval }: ExploreQuery, range: ResolvedRange): ResolvedRange {
  if (interval === 'TOTAL') return { ...range, buckets: [range.window.from] }
  if (interval === undefined || interval === range.resolution || !hasBucketsOf(range, interval))
    return range
  return rebucket(range, interval)
}

function variablesOf(
  { name, aggregate, groupBy, filters, interval }: ExploreQuery,
  { window, resolution, zone }: ResolvedRange,
  tenant: string,
): SeriesVariables {
  return {
    tenant,
    name: name ?? '*',
    startTime: new Date(window.from).toISOString(),
    endTime: new Date(window.to).toISOString(),
    interval: interval === 'TOTAL' ? interval : resolution,
    timeZone: zone,
    aggregate,
    groupBy: [...groupBy],
    filter: filters.map((filter) => ({ dimension: filter.dimension, in: [...filter.in] })),
    isSplit: groupBy.length > 0 && interval !== 'TOTAL' && !isAdditive(aggregate),
  }
}
