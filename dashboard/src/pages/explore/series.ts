import { SERIES_MAX, seriesColour } from '../../charts/colours.ts'
import type { Line } from '../../charts/datasets.ts'
import { fillEmptyBuckets, type Point, remainder } from '../../charts/points.ts'
import { clippedBucketName, rangeName } from '../../lib/format.ts'
import { clipBucket, type ResolvedRange, type Window } from '../../lib/time/range.ts'
import type { GroupTotal, ResultInfo, SeriesPoint, SeriesResult } from './queries.ts'
import { type ExploreQuery, isAdditive, isZeroWithoutEvents } from './query-state.ts'

/** What the chart, its tooltip and the tables show. */
export interface Series {
  query: ExploreQuery
  range: ResolvedRange
  times: number[]
  /** All groups together: their sum where they add up; finality and late events are known of the whole only. */
  whole: Point[]
  /** At most SERIES_MAX groups, and the sum of the others where it is one. */
  lines: ExploreLine[]
  /** Each group that the server listed, the largest first; empty without grouping. */
  groups: Group[]
  /** Of the whole range, where it is known. */
  total: number | undefined
  info: ResultInfo
}

export interface ExploreLine extends Line {
  /** The values of its group; undefined for several groups together, or without grouping. */
  group: readonly (string | null)[] | undefined
}

export interface Group {
  values: readonly (string | null)[]
  label: string
  total: number
  /** The server adds up what is beyond its limit; such a group has no events of its own. */
  isOther: boolean
  colour: string | undefined
}

const OTHER = '(other)'
export const NONE = '(none)'

export const groupLabel = (values: readonly (string | null)[]): string =>
  values.map((value) => value ?? NONE).join(' · ')

/** Puts the points of a result into lines: one for each group, with every bucket of the range. */
export function toSeries(query: ExploreQuery, range: ResolvedRange, result: SeriesResult): Series {
  const { points, info } = result
  const { aggregate, groupBy } = query
  const finalThrough = info.finalThrough === undefined ? undefined : Date.parse(info.finalThrough)
  const empty = isZeroWithoutEvents(aggregate) ? 0 : Number.NaN
  const fill = (of: readonly SeriesPoint[]) =>
    query.interval === 'TOTAL'
      ? [totalPoint(range, of[0], info, empty)]
      : fillEmptyBuckets(range, of, finalThrough, empty)
  const base = { query, range, times: range.buckets, info }

  if (groupBy.length === 0) {
    const whole = fill(points)
    const line = { name: query.name ?? 'Events', colour: 'var(--accent)', points: whole }
    const total = isAdditive(aggregate)
      ? whole.reduce((sum, point) => sum + point.value, 0)
      : undefined
    return { ...base, whole, lines: [{ ...line, group: undefined }], groups: [], total }
  }

  const byGroup = groupPoints(points, groupBy)
  const groups = totalsOf(byGroup, query, result.groups, info)
  const whole = fill(wholeOf(points, isAdditive(aggregate)))
  const drawn = groups.filter(({ isOther }) => !isOther).slice(0, SERIES_MAX)
  const lines = drawn.map((group) => ({
    name: group.label,
    colour: group.colour as string,
    group: group.values,
    points: fill(byGroup.get(keyOf(group.values)) ?? []),
  }))
  const hasOthers = isAdditive(aggregate) && groups.length > drawn.length
  const parts = lines.map((line) => line.points)
  const others = {
    name: 'other',
    colour: seriesColour(SERIES_MAX),
    group: undefined,
    points: aggregate === 'COUNT' ? remainder(whole, parts) : difference(whole, parts),
  }
  return {
    ...base,
    whole,
    lines: hasOthers ? [...lines, others] : lines,
    groups,
    total: isAdditive(aggregate) ? groups.reduce((sum, group) => sum + group.total, 0) : undefined,
  }
}

/** The whole range is one bucket, which begins with it. */
function totalPoint(
  { window }: ResolvedRange,
  point: SeriesPoint | undefined,
  { final }: ResultInfo,
  empty: number,
): Point {
  const { value = empty, isFinal = final, lateCount = 0 } = point ?? {}
  return { time: window.from, value, isFinal, lateCount }
}

/** The part of the range that a point counts. */
export function boundsOf({ query, range, times }: Series, index: number): Window {
  if (query.interval === 'TOTAL') return range.window
  return clipBucket(times[index] as number, range.resolution, range.zone, range.window)
}

export function bucketLabel(series: Series, index: number): string {
  const { query, range, times } = series
  if (query.interval === 'TOTAL') return rangeName(range.window.from, range.window.to, range.zone)
  return clippedBucketName(times[index] as number, range.resolution, range.zone, range.window)
}

const keyOf = (values: readonly (string | null)[]) => JSON.stringify(values)

function groupPoints(points: readonly SeriesPoint[], groupBy: readonly string[]) {
  const groups = new Map<string, SeriesPoint[]>()
  for (const point of points) {
    const key = keyOf(valuesOf(point, groupBy))
    const known = groups.get(key)
    if (known) known.push(point)
    else groups.set(key, [point])
  }
  return groups
}

function valuesOf({ dimensions }: GroupTotal, groupBy: readonly string[]): (string | null)[] {
  return groupBy.map((name) => (dimensions[name] as string | null | undefined) ?? null)
}

function totalsOf(
  byGroup: ReadonlyMap<string, readonly SeriesPoint[]>,
  { groupBy }: ExploreQuery,
  given: readonly GroupTotal[] | undefined,
  { groups }: ResultInfo,
): Group[] {
  const totals = given
    ? new Map(given.map((total) => [keyOf(valuesOf(total, groupBy)), total.value]))
    : new Map(
        [...byGroup].map(([key, points]) => [
          key,
          points.reduce((sum, point) => sum + point.value, 0),
        ]),
      )
  const isCut = groups !== undefined && groups.found > groups.listed
  const all = [...totals].map(([key, total]) => {
    const values = JSON.parse(key) as (string | null)[]
    const isOther = isCut && values.every((value) => value === OTHER)
    return { values, label: isOther ? OTHER : groupLabel(values), total, isOther }
  })
  const sorted = all.toSorted(
    (a, b) =>
      Number(a.isOther) - Number(b.isOther) || b.total - a.total || (a.label < b.label ? -1 : 1),
  )
  return sorted.map((group, i) => ({
    ...group,
    colour: i < SERIES_MAX && !group.isOther ? seriesColour(i) : undefined,
  }))
}

/** One point for each bucket that has any. */
function wholeOf(points: readonly SeriesPoint[], isSummed: boolean): SeriesPoint[] {
  const buckets = new Map<string, SeriesPoint>()
  for (const point of points) {
    const known = buckets.get(point.timestamp)
    if (known) known.value += point.value
    else buckets.set(point.timestamp, { ...point })
  }
  const all = [...buckets.values()]
  return isSummed ? all : all.map((point) => ({ ...point, value: Number.NaN }))
}

/** Sums can be negative, so what is left of them can be too. */
function difference(whole: Point[], parts: Point[][]): Point[] {
  return whole.map((point, i) => ({
    ...point,
    value: point.value - parts.reduce((sum, part) => sum + (part[i]?.value ?? 0), 0),
  }))
}

/** Areas on top of each other show a sum, so only where there is one, of parts that are not negative. */
export function isStacked({ query, lines }: Series): boolean {
  return (
    isAdditive(query.aggregate) &&
    lines.length > 1 &&
    lines.every(({ points }) => points.every(({ value }) => value >= 0))
  )
}

/** The line at that height of the chart: the band that covers it, or the nearest line; undefined above all bands. */
export function lineAt(series: Series, index: number, value: number): ExploreLine | undefined {
  if (!isStacked(series)) {
    const distance = (line: ExploreLine) =>
      Math.abs((line.points[index]?.value ?? Number.NaN) - value)
    const known = series.lines.filter((line) => !Number.isNaN(distance(line)))
    return known.toSorted((a, b) => distance(a) - distance(b))[0]
  }
  let top = 0
  for (const line of series.lines) {
    top += line.points[index]?.value ?? 0
    if (value <= top) return line
  }
  return undefined
}
