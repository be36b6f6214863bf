import { z } from 'zod'
import { factsOf } from './facts.ts'
import { cellsOf, explainEmpty, notesOf, readSeries, stateOf } from './metrics.ts'
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
  timeZone,
} from './tool.ts'

const DAY_MS = 86_400_000

export const queryMetric = defineTool({
  name: 'query_metric',
  permission: 'metrics.read',
  description:
    'A number over time, or in total (interval total): counts, sums, averages, percentiles or distinct actors of an event, filtered and grouped.',
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
    const series = await readSeries(context, selection, range, args.interval ?? fewPoints(range))
    const { points, info } = series
    const empty = points.length === 0 ? await explainEmpty(context, selection, range) : undefined
    const hasStates = points.some((point) => stateOf(point) !== '')
    return {
      facts: {
        range: `${range.start} to ${range.end}`,
        interval: info.interval.toLowerCase(),
        time_zone: info.timeZone,
        aggregate: args.aggregate,
        points: points.length,
        ...factsOf(info),
      },
      notes: [...notesOf(series, range, context.now()), ...(empty?.notes ?? [])],
      subject: {
        metric: args.metric,
        ...(args.filter && { filter: args.filter }),
        link: context.link({
          from: range.start,
          to: range.end,
          zone: info.timeZone,
          name: args.metric === '*' ? undefined : args.metric,
        }),
      },
      columns: empty?.columns ?? [
        'timestamp',
        ...args.group_by,
        'value',
        ...(hasStates ? ['state'] : []),
      ],
      rows:
        empty?.rows ??
        points.map((point) => [
          point.timestamp,
          ...cellsOf(point.dimensions, args.group_by),
          point.value,
          ...(hasStates ? [stateOf(point)] : []),
        ]),
      hint: 'choose a longer interval or a shorter range, or pass max_tokens.',
    }
  },
})

/** An interval whose points fit a result of the default size; undefined leaves it to the query. */
function fewPoints({ start, end }: Range): string | undefined {
  const days = (Date.parse(end) - Date.parse(start)) / DAY_MS
  if (days <= 1.5) return 'hour'
  if (days <= 45) return 'day'
  return days <= 300 ? 'week' : 'month'
}
