import { z } from 'zod'
import { badInput } from '../../../lib/api-error.ts'
import type { MetricPoint } from '../../../queries/metrics/events-over-time.ts'
import { factsOf } from './facts.ts'
import { cellsOf, explainEmpty, notesOf, readPair, type Series } from './metrics.ts'
import {
  aggregate,
  defineTool,
  dimension,
  filter,
  filterArgument,
  maxTokens,
  metric,
  type Range,
  rangeOf,
  rangeShape,
  timeZone,
  toInstant,
} from './tool.ts'

export const comparePeriods = defineTool({
  name: 'compare_periods',
  description:
    'One number of a range beside the same number of the period before it (or of another range), with the change; group_by shows which values of a dimension changed most.',
  schema: z.strictObject({
    metric,
    ...rangeShape,
    previous_start: rangeShape.start.describe('Other range to compare with'),
    previous_end: rangeShape.end.describe('Its end'),
    time_zone: timeZone,
    aggregate,
    group_by: z.array(dimension).max(2).default([]).describe('As in query_metric'),
    filter,
    max_tokens: maxTokens,
  }),
  async call(args, context) {
    const range = rangeOf(args, context.now())
    const before = previousOf(args, range)
    const selection = {
      name: args.metric,
      timeZone: args.time_zone ?? 'UTC',
      aggregate: args.aggregate.toUpperCase(),
      groupBy: args.group_by,
      filter: filterArgument(args.filter),
    }
    const { current, previous } = await readPair(context, selection, range, before)
    const isEmpty = current.points.length === 0 && previous.points.length === 0
    const empty = isEmpty ? await explainEmpty(context, selection, range) : undefined
    const notes = [
      ...notesOf(current, range, context.now()),
      ...notesOf(previous, before, context.now()).map((note) => `previous: ${note}`),
      ...(empty?.notes ?? []),
    ]
    return {
      facts: {
        range: `${range.start} to ${range.end}`,
        previous_range: `${before.start} to ${before.end}`,
        aggregate: args.aggregate,
        ...factsOf(current.info),
        previous_final: previous.info.final,
        previous_query_id: previous.info.queryId,
      },
      notes,
      subject: {
        metric: args.metric,
        ...(args.filter && { filter: args.filter }),
        link: context.link({
          from: range.start,
          to: range.end,
          zone: current.info.timeZone,
          name: args.metric === '*' ? undefined : args.metric,
        }),
      },
      columns: empty?.columns ?? [
        ...args.group_by,
        'current',
        'previous',
        'change',
        'change_percent',
      ],
      rows: empty?.rows ?? compare(current, previous, args.group_by, args.aggregate),
    }
  },
})

function previousOf(
  args: { previous_start?: string | undefined; previous_end?: string | undefined },
  { start, end }: Range,
): Range {
  if (args.previous_start !== undefined && args.previous_end !== undefined)
    return { start: args.previous_start, end: args.previous_end }
  if (args.previous_start !== undefined || args.previous_end !== undefined)
    throw badInput('previous_end', 'and previous_start go together; pass both or none')
  const length = Date.parse(end) - Date.parse(start)
  return { start: toInstant(Date.parse(start) - length), end: start }
}

const COUNTED = ['count', 'sum', 'uniques']

/** The largest change first. A group that one side does not list is 0 there only if that side lists all of its groups. */
function compare(
  current: Series,
  previous: Series,
  groupBy: readonly string[],
  aggregate: string,
): unknown[][] {
  const isCount = COUNTED.includes(aggregate)
  const missingIn = ({ info: { groups } }: Series) =>
    isCount && (!groups || groups.found <= groups.listed) ? 0 : null
  const after = byGroup(current.points)
  const before = byGroup(previous.points)
  return [...new Set([...after.keys(), ...before.keys()])]
    .map((group) => {
      const now = after.get(group)?.value ?? missingIn(current)
      const then = before.get(group)?.value ?? missingIn(previous)
      const change = now === null || then === null ? null : now - then
      const dimensions = (after.get(group) ?? before.get(group))?.dimensions
      return { cells: cellsOf(dimensions, groupBy), now, then, change }
    })
    .sort((a, b) => Math.abs(b.change ?? 0) - Math.abs(a.change ?? 0))
    .map(({ cells, now, then, change }) => [...cells, now, then, change, percentOf(change, then)])
}

function byGroup(points: readonly MetricPoint[]): Map<string, MetricPoint> {
  return new Map(points.map((point) => [JSON.stringify(point.dimensions), point]))
}

function percentOf(change: number | null, of: number | null): number | null {
  return change === null || !of ? null : Math.round((1_000 * change) / of) / 10
}
