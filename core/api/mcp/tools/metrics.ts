import type { MetricPoint } from '../../../queries/metrics/events-over-time.ts'
import type { ResultInfo } from '../../../queries/query-result.ts'
import { infoOf } from '../../operations/run-operation.ts'
import { MCP_LIMITS } from '../limits.ts'
import type { ToolOutput } from '../tool-text.ts'
import { truncate } from '../untrusted.ts'
import { readDeclared } from './declared-metrics.ts'
import { findNames, nearestNames } from './names.ts'
import type { Range, ToolContext } from './tool.ts'

/** What selects the numbers of a metric, as GraphQL takes it. */
export interface Selection {
  name: string
  timeZone: string
  aggregate: string
  groupBy: readonly string[]
  filter: readonly { dimension: string; in: string[] }[]
}

const POINT = 'timestamp value dimensions isFinal lateCount revisedAt'

const SERIES = `query McpMetrics($name: String!, $start: DateTime!, $end: DateTime!, $interval: Interval,
  $timeZone: String, $aggregate: Aggregate, $groupBy: [String!], $filter: [DimensionFilter!]) {
  metrics(name: $name, startTime: $start, endTime: $end, interval: $interval, timeZone: $timeZone,
    aggregate: $aggregate, groupBy: $groupBy, filter: $filter) { ${POINT} }
}`

const PAIR = `query McpComparison($name: String!, $start: DateTime!, $end: DateTime!, $previousStart: DateTime!,
  $previousEnd: DateTime!, $timeZone: String, $aggregate: Aggregate, $groupBy: [String!], $filter: [DimensionFilter!]) {
  current: metrics(name: $name, startTime: $start, endTime: $end, interval: TOTAL, timeZone: $timeZone,
    aggregate: $aggregate, groupBy: $groupBy, filter: $filter) { ${POINT} }
  previous: metrics(name: $name, startTime: $previousStart, endTime: $previousEnd, interval: TOTAL, timeZone: $timeZone,
    aggregate: $aggregate, groupBy: $groupBy, filter: $filter) { ${POINT} }
}`

export interface Series {
  points: MetricPoint[]
  info: ResultInfo
}

export async function readSeries(
  { run }: ToolContext,
  selection: Selection,
  range: Range,
  interval: string | undefined,
): Promise<Series> {
  const variables = { ...selection, ...range, interval: interval?.toUpperCase() }
  const { data, extensions } = await run<{ metrics: MetricPoint[] }>(SERIES, variables)
  return { points: data.metrics, info: infoOf(extensions, 'metrics') }
}

export async function readPair(
  { run }: ToolContext,
  selection: Selection,
  range: Range,
  previous: Range,
): Promise<{ current: Series; previous: Series }> {
  const { data, extensions } = await run<{ current: MetricPoint[]; previous: MetricPoint[] }>(
    PAIR,
    { ...selection, ...range, previousStart: previous.start, previousEnd: previous.end },
  )
  return {
    current: { points: data.current, info: infoOf(extensions, 'current') },
    previous: { points: data.previous, info: infoOf(extensions, 'previous') },
  }
}

/** What a reader would get wrong without being told. */
export function notesOf({ points, info }: Series, range: Range, now: number): string[] {
  const notes: string[] = []
  if (!info.final)
    notes.push('not final: events that are still arriving may change numbers after final_through.')
  if (Date.parse(range.end) > now + 15 * 60_000)
    notes.push('the range ends in the future; what has not happened yet is not in it.')
  if (info.rawSince)
    notes.push(
      `retention: single events are held since ${info.rawSince} only. This number is counted from them, so it lacks everything before; without filter, group_by, uniques and percentiles counts go back further.`,
    )
  if (info.completeSince)
    notes.push(
      `history: before ${info.completeSince} this metric does not have all events yet, or they were no longer held when it was declared.`,
    )
  if (info.seriesLimit)
    notes.push(
      `more than ${info.seriesLimit} combinations of dimension values exist; the others are counted as (other).`,
    )
  const revised = points.filter(({ revisedAt }) => revisedAt !== null).length
  if (revised > 0)
    notes.push(`${revised} points changed after they were final, by late events or an import.`)
  const { groups } = info
  if (groups && groups.found > groups.listed)
    notes.push(
      `${groups.found} groups exist; the ${groups.listed} largest are listed, the others are counted together as (other).`,
    )
  return notes
}

/** Why there are no numbers: an unknown name, or none in the range. */
export async function explainEmpty(
  context: ToolContext,
  { name, filter }: Pick<Selection, 'name' | 'filter'>,
  range: Range,
): Promise<Pick<ToolOutput, 'notes' | 'columns' | 'rows'>> {
  const nothing =
    'no event matches in this range; buckets without events are left out, so the count is 0'
  if (name === '*') return { notes: [`${nothing}.`] }
  const { names, isComplete, since } = await findNames(context, range)
  const declared = (await readDeclared(context)).map((each) => each.name)
  if (declared.includes(name))
    return { notes: [`${nothing}; the declared metric itself exists, so check the filter.`] }
  if (names.some((each) => each.name === name))
    return {
      notes: [
        `${nothing}; the name itself exists${filter.length > 0 ? ', so check the filter' : ''}.`,
      ],
    }
  const nearest = nearestNames(name, [...declared, ...names.map((each) => each.name)]).slice(
    0,
    MCP_LIMITS.nearestMax,
  )
  const missing = isComplete
    ? `no event of this name occurred since ${since}.`
    : `this name is not among the ${names.length} most frequent ones since ${since}.`
  if (nearest.length === 0) return { notes: [missing, 'no events at all were found there.'] }
  return {
    notes: [missing, 'the nearest names that exist are listed; call again with one of them.'],
    columns: ['nearest_name'],
    rows: nearest.map((each) => [truncate(each, MCP_LIMITS.nameCharsMax)]),
  }
}

/** Empty unless a point is not final or was changed. */
export function stateOf({ isFinal, revisedAt }: MetricPoint): string {
  if (revisedAt !== null) return `revised ${revisedAt}`
  return isFinal ? '' : 'open'
}

export function cellsOf(dimensions: unknown, groupBy: readonly string[]): (string | null)[] {
  const values = dimensions as Record<string, string | null>
  return groupBy.map((each) => {
    const value = values[each] ?? null
    return value === null ? null : truncate(value, MCP_LIMITS.cellCharsMax)
  })
}
