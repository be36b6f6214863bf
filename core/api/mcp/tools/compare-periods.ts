import { z } from 'zod'
import { badInput } from '../../../lib/api-error.ts'
import type { MetricPoint } from '../../../queries/metrics/events-over-time.ts'
import { infoOf } from '../../operations/run-operation.ts'
import { MCP_LIMITS } from '../limits.ts'
import type { ToolOutput } from '../tool-text.ts'
import { truncate } from '../untrusted.ts'
import { factsOf } from './facts.ts'
import { cellsOf, explainEmpty, notesOf, readPair, type Selection, type Series } from './metrics.ts'
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
  type ToolContext,
  timeZone,
  toInstant,
} from './tool.ts'

export const comparePeriods = defineTool({
  name: 'compare_periods',
  permission: 'metrics.read',
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
    const [dimension] = args.group_by
    // Parts of a count or a sum are explained exactly, with what is not listed in one row.
    const isExplained =
      dimension !== undefined && args.group_by.length === 1 && isSum(args.aggregate)
    const comparison = isExplained
      ? await contributions(context, selection, { dimension, range, before })
      : await pairOf(context, selection, { range, before })
    const empty =
      comparison.rows.length === 0 ? await explainEmpty(context, selection, range) : undefined
    return {
      facts: {
        range: `${range.start} to ${range.end}`,
        previous_range: `${before.start} to ${before.end}`,
        aggregate: args.aggregate,
        ...comparison.facts,
      },
      notes: [...comparison.notes, ...(empty?.notes ?? [])],
      subject: {
        metric: args.metric,
        ...(args.filter && { filter: args.filter }),
        link: context.link({
          from: range.start,
          to: range.end,
          zone: args.time_zone,
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
      rows: empty?.rows ?? comparison.rows,
    }
  },
})

interface Compared {
  facts: ToolOutput['facts']
  notes: string[]
  rows: unknown[][]
}

async function pairOf(
  context: ToolContext,
  selection: Selection,
  { range, before }: { range: Range; before: Range },
): Promise<Compared> {
  const { current, previous } = await readPair(context, selection, range, before)
  const isEmpty = current.points.length === 0 && previous.points.length === 0
  return {
    facts: {
      ...factsOf(current.info),
      previous_final: previous.info.final,
      previous_query_id: previous.info.queryId,
    },
    notes: [
      ...notesOf(current, range, context.now()),
      ...notesOf(previous, before, context.now()).map((note) => `previous: ${note}`),
    ],
    rows: isEmpty ? [] : compare(current, previous, selection.groupBy, selection.aggregate),
  }
}

const CONTRIBUTIONS = `query McpContributions($name: String!, $dimension: String!, $start: DateTime!, $end: DateTime!,
  $previousStart: DateTime!, $previousEnd: DateTime!, $timeZone: String, $aggregate: Aggregate,
  $filter: [DimensionFilter!], $limit: Int) {
  found: contributions(name: $name, dimension: $dimension, startTime: $start, endTime: $end, filter: $filter,
    previousStart: $previousStart, previousEnd: $previousEnd, timeZone: $timeZone, aggregate: $aggregate, limit: $limit) {
    contributions { value before after difference isOther } before after difference found
  }
}`
const CONTRIBUTIONS_MAX = 50

interface ContributionsData {
  found: {
    contributions: { value: string | null; before: number; after: number; difference: number }[]
    before: number
    after: number
    difference: number
    found: number
  }
}

async function contributions(
  context: ToolContext,
  { groupBy: _, ...selection }: Selection,
  { dimension, range, before }: { dimension: string; range: Range; before: Range },
): Promise<Compared> {
  const { data, extensions } = await context.run<ContributionsData>(CONTRIBUTIONS, {
    ...selection,
    ...range,
    dimension,
    previousStart: before.start,
    previousEnd: before.end,
    limit: CONTRIBUTIONS_MAX,
  })
  const { found } = data
  const info = infoOf(extensions, 'found')
  return {
    facts: {
      current: found.after,
      previous: found.before,
      change: found.difference,
      values_found: found.found,
      ...factsOf(info),
    },
    notes: notesOf({ points: [], info }, range, context.now()),
    rows: found.contributions.map(({ value, before, after, difference }) => [
      value === null ? null : truncate(value, MCP_LIMITS.cellCharsMax),
      after,
      before,
      difference,
      percentOf(difference, before),
    ]),
  }
}

function isSum(aggregate: string): boolean {
  return aggregate === 'count' || aggregate === 'sum'
}

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

const COUNTED = ['COUNT', 'SUM', 'UNIQUES']

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
