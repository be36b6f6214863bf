import { z } from 'zod'
import { badInput } from '../../../lib/api-error.ts'
import type { RatioPoint } from '../../../queries/metrics/metric-ratio.ts'
import type { ResultInfo } from '../../../queries/query-result.ts'
import { infoOf } from '../../operations/run-operation.ts'
import type { ToolOutput } from '../tool-text.ts'
import { readChanges } from './changes.ts'
import { exploreParams } from './explore-link.ts'
import { factsOf } from './facts.ts'
import { cellsOf, explainEmpty, notesOf, readSeries, type Selection, stateOf } from './metrics.ts'
import {
  aggregate,
  defineTool,
  dimension,
  filter,
  filterArgument,
  interval,
  maxTokens,
  metric,
  type Range,
  rangeOf,
  rangeShape,
  type ToolContext,
  time,
  timeZone,
} from './tool.ts'

const DAY_MS = 86_400_000

export const queryMetric = defineTool({
  name: 'query_metric',
  permission: 'metrics.read',
  description:
    'A number over time, or in total (interval total): counts, sums, averages, percentiles or distinct actors of a declared metric or event, filtered and grouped; or divided by another (divide_by).',
  schema: z.strictObject({
    metric,
    ...rangeShape,
    interval,
    time_zone: timeZone,
    aggregate,
    group_by: z
      .array(dimension)
      .max(4)
      .default([])
      .describe('source, actor, session, name, or a property path'),
    filter,
    divide_by: z
      .strictObject({ metric: metric.describe(''), aggregate: aggregate.describe(''), filter })
      .optional()
      .describe('Without group_by'),
    changed_since: time.optional().describe('as_of of an earlier result: why it differed'),
    max_tokens: maxTokens,
  }),
  async call(args, context) {
    const range = rangeOf(args, context.now())
    const selection = {
      name: args.metric,
      timeZone: args.time_zone ?? 'UTC',
      aggregate: args.aggregate.toUpperCase(),
      groupBy: args.group_by,
      filter: filterArgument(args.filter),
    }
    const interval = args.interval ?? fewPoints(range)
    const { divide_by: divisor, changed_since: since } = args
    if (divisor !== undefined && since !== undefined)
      throw badInput('changed_since', 'cannot be combined with divide_by')
    if (divisor !== undefined && args.group_by.length > 0)
      throw badInput('group_by', 'cannot be combined with divide_by; use filters instead')
    const asked = { selection, range, interval }
    const found: Found = divisor
      ? await ratio(context, asked, divisor)
      : since
        ? await readChanges(context, asked, since)
        : await series(context, asked)
    return {
      facts: {
        range: `${range.start} to ${range.end}`,
        interval: found.info.interval.toLowerCase(),
        time_zone: found.info.timeZone,
        aggregate: args.aggregate,
        points: found.points,
        ...found.facts,
        ...factsOf(found.info),
      },
      notes: found.notes,
      subject: {
        metric: args.metric,
        ...(divisor && { divide_by: divisor.metric }),
        ...(args.filter && { filter: args.filter }),
        link: context.link({
          ...exploreParams({ ...selection, ...range, interval: found.info.interval }),
          since,
        }),
      },
      columns: found.columns,
      rows: found.rows,
      hint: 'choose a longer interval or a shorter range, or pass max_tokens.',
    }
  },
})

interface Asked {
  selection: Selection
  range: Range
  interval: string | undefined
}

interface Found {
  info: ResultInfo
  points: number
  facts?: ToolOutput['facts']
  notes: string[]
  columns: readonly string[]
  rows: NonNullable<ToolOutput['rows']>
}

async function series(context: ToolContext, { selection, range, interval }: Asked): Promise<Found> {
  const found = await readSeries(context, selection, range, interval)
  const { points, info } = found
  const { groupBy } = selection
  const empty = points.length === 0 ? await explainEmpty(context, selection, range) : undefined
  const hasStates = points.some((point) => stateOf(point) !== '')
  return {
    info,
    points: points.length,
    notes: [...notesOf(found, range, context.now()), ...(empty?.notes ?? [])],
    columns: empty?.columns ?? ['timestamp', ...groupBy, 'value', ...(hasStates ? ['state'] : [])],
    rows:
      empty?.rows ??
      points.map((point) => [
        point.timestamp,
        ...cellsOf(point.dimensions, groupBy),
        point.value,
        ...(hasStates ? [stateOf(point)] : []),
      ]),
  }
}

const RATIO = `query McpRatio($numerator: MetricSelection!, $denominator: MetricSelection!, $start: DateTime!, $end: DateTime!,
  $interval: Interval, $timeZone: String) {
  found: ratio(numerator: $numerator, denominator: $denominator, startTime: $start, endTime: $end, interval: $interval,
    timeZone: $timeZone) { points { timestamp value numerator denominator isFinal } zeroDenominators }
}`

interface Divisor {
  metric: string
  aggregate: string
  filter?: Record<string, string[]> | undefined
}

async function ratio(
  context: ToolContext,
  { selection, range, interval }: Asked,
  divisor: Divisor,
): Promise<Found> {
  const { name, aggregate, filter, timeZone } = selection
  type Data = { found: { points: RatioPoint[]; zeroDenominators: number } }
  const denominator = {
    name: divisor.metric,
    aggregate: divisor.aggregate.toUpperCase(),
    filter: filterArgument(divisor.filter),
  }
  const { data, extensions } = await context.run<Data>(RATIO, {
    ...range,
    ...{ numerator: { name, aggregate, filter }, denominator, timeZone },
    interval: interval?.toUpperCase(),
  })
  const { points, zeroDenominators } = data.found
  const info = infoOf(extensions, 'found')
  const notes = notesOf({ points: [], info }, range, context.now())
  if (zeroDenominators > 0)
    notes.push(`${zeroDenominators} points have no value, because the denominator is 0.`)
  const missing = points.every((point) => !point.numerator)
    ? selection
    : points.every((point) => !point.denominator)
      ? denominator
      : undefined
  if (missing) notes.push(...((await explainEmpty(context, missing, range)).notes ?? []))
  return {
    info,
    points: points.length,
    notes,
    columns: ['timestamp', 'value', 'numerator', 'denominator', 'state'],
    rows: points.map((point) => [
      point.timestamp,
      point.value,
      point.numerator,
      point.denominator,
      point.isFinal ? '' : 'open',
    ]),
  }
}

/** An interval whose points fit a result of the default size; undefined leaves it to the query. */
function fewPoints({ start, end }: Range): string | undefined {
  const days = (Date.parse(end) - Date.parse(start)) / DAY_MS
  if (days <= 1.5) return 'hour'
  if (days <= 45) return 'day'
  return days <= 300 ? 'week' : 'month'
}
