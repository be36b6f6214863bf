import { type Accessor, createMemo } from 'solid-js'
import { SERIES_MAX, seriesColour } from '../../../../charts/colours.ts'
import type { Line } from '../../../../charts/datasets.ts'
import { fillEmptyBuckets, type Point, remainder } from '../../../../charts/points.ts'
import { execute, type Result } from '../../../../lib/api/client.ts'
import type { LiveUpdate } from '../../../../lib/api/documents.ts'
import { createQuery, isMissing, type Query } from '../../../../lib/api/query.ts'
import type { Interval, Resolution, ResolvedRange, Window } from '../../../../lib/time/range.ts'
import type { Overview } from '../../context.ts'
import { finalThroughOf, METRICS, type MetricsVariables } from '../../queries.ts'

/** What the trend shows: as a chart, in its tooltip and as a table. */
export interface TrendData {
  resolution: Resolution
  times: number[]
  /** The part of the first and the last bucket that is counted. */
  window: Window
  /** All lines together: finality and late events are known of the whole only. */
  whole: Point[]
  lines: Line[]
  previous: Point[] | undefined
  previousTimes: number[]
  previousWindow: Window
}

interface TrendVariables {
  tenant: string
  range: ResolvedRange
  name: string
  /** Names to show one by one, if any. */
  split: string[] | undefined
}

export const ALL = '*'

export interface Trend {
  data: Accessor<TrendData | undefined>
  isLoading: Accessor<boolean>
  /** The chart, or the names that it is split by, could not be loaded. */
  isMissing: Accessor<boolean>
  current: Query<TrendData>
  previous: Query<Point[]>
}

/** From the live connection for minutes, from `metrics` otherwise. */
export function createTrend(overview: Overview): Trend {
  const { tenant, trendRange, name, isSplit, topNames, rangeScope, queries, live, totals } =
    overview
  const isLive = () => trendRange().resolution === 'MINUTE'
  const variables = (): TrendVariables | undefined => {
    if (isLive()) return undefined
    const split = isSplit() ? topNames()?.slice(0, SERIES_MAX) : undefined
    if (isSplit() && split === undefined) return undefined
    return { tenant: tenant(), range: trendRange(), name: name() ?? ALL, split }
  }
  const scope = () => `${rangeScope()} ${name() ?? ''} ${isSplit()}`
  const current = queries.add(createQuery({ scope, variables, fetch: fetchTrend }))
  const previous = queries.add(
    createQuery({
      scope,
      variables: () => (isSplit() ? undefined : variables()),
      fetch: fetchPrevious,
    }),
    { isPast: true },
  )
  const minutes = createMemo(() => {
    const update = live.update()
    return isLive() && update
      ? trendOfMinutes(update.minutes, trendRange().buckets.length)
      : undefined
  })
  const data = createMemo(() => {
    if (isLive()) return minutes()
    const trend = current.data()
    return trend && { ...trend, previous: trend.lines.length === 1 ? previous.data() : undefined }
  })
  return {
    data,
    isLoading: () => (isLive() ? overview.isConnecting() : current.loading()),
    isMissing: () =>
      !isLive() && (isMissing(current) || (variables() === undefined && isMissing(totals))),
    current,
    previous,
  }
}

/** The last `count` minutes, and those before them as far as they are known. */
export function trendOfMinutes(minutes: LiveUpdate['minutes'], count: number): TrendData {
  const points = minutes.map((minute, i) => ({
    time: Date.parse(minute.minute),
    value: minute.count,
    // By time received, so a minute that is over does not change.
    isFinal: i < minutes.length - 1,
    lateCount: 0,
  }))
  const shown = points.slice(-count)
  const before = points.slice(-2 * count, -count)
  return {
    resolution: 'MINUTE',
    times: shown.map((point) => point.time),
    window: UNBOUNDED,
    whole: shown,
    lines: [{ name: ALL, colour: 'var(--accent)', points: shown }],
    previous: before.length === count ? before : undefined,
    previousTimes: before.map((point) => point.time),
    previousWindow: UNBOUNDED,
  }
}

/** Minutes are always counted whole. */
const UNBOUNDED = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY }

async function fetchTrend(variables: TrendVariables): Promise<Result<TrendData>> {
  const { range, name, split } = variables
  const result = await execute(METRICS, metricsVariables(variables, range.window))
  if (!result.ok) return result
  const { data, extensions } = result
  const whole = fillEmptyBuckets(range, data.whole, finalThroughOf(extensions, 'whole'))
  const lines = (split ?? []).map((part, i) => {
    const points = data.parts?.filter((point) => point.dimensions.name === part) ?? []
    const finalThrough = finalThroughOf(extensions, 'parts')
    return {
      name: part,
      colour: seriesColour(i),
      points: fillEmptyBuckets(range, points, finalThrough),
    }
  })
  const rest = remainder(
    whole,
    lines.map((line) => line.points),
  )
  const other = { name: 'other', colour: seriesColour(SERIES_MAX), points: rest }
  const single = { name, colour: 'var(--accent)', points: whole }
  return {
    ok: true,
    data: {
      resolution: range.resolution,
      times: range.buckets,
      window: range.window,
      whole,
      lines: split ? [...lines, other] : [single],
      previous: undefined,
      previousTimes: range.previousBuckets,
      previousWindow: range.previousWindow,
    },
  }
}

async function fetchPrevious(variables: TrendVariables): Promise<Result<Point[]>> {
  const { previousBuckets, previousWindow, ...range } = variables.range
  const result = await execute(
    METRICS,
    metricsVariables({ ...variables, split: undefined }, previousWindow),
  )
  if (!result.ok) return result
  const previous = { ...range, buckets: previousBuckets, window: previousWindow }
  const finalThrough = finalThroughOf(result.extensions, 'whole')
  return { ok: true, data: fillEmptyBuckets(previous, result.data.whole, finalThrough) }
}

function metricsVariables(
  { tenant, range, name, split = [] }: TrendVariables,
  { from, to }: Window,
): MetricsVariables {
  return {
    tenant,
    name,
    startTime: new Date(from).toISOString(),
    endTime: new Date(to).toISOString(),
    interval: range.resolution as Interval,
    timeZone: range.zone,
    splits: split.length > 0,
    filter: [{ dimension: 'name', in: split }],
  }
}
