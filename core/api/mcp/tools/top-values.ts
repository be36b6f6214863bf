import { z } from 'zod'
import type { ValueCount } from '../../../queries/explore/top-values.ts'
import { infoOf } from '../../operations/run-operation.ts'
import { MCP_LIMITS } from '../limits.ts'
import { truncate } from '../untrusted.ts'
import { factsOf } from './facts.ts'
import { explainEmpty, notesOf } from './metrics.ts'
import {
  defineTool,
  dimension,
  filter,
  filterArgument,
  maxTokens,
  metric,
  rangeOf,
  rangeShape,
} from './tool.ts'

const DOCUMENT = `query McpTop($name: String!, $dimension: String!, $start: DateTime!, $end: DateTime!,
  $filter: [DimensionFilter!], $search: String, $limit: Int) {
  top: topValues(name: $name, dimension: $dimension, startTime: $start, endTime: $end, filter: $filter,
    search: $search, limit: $limit) { values { value count share isOther } total found }
}`

interface TopData {
  top: { values: ValueCount[]; total: number; found: number }
}

export const topValues = defineTool({
  name: 'top_values',
  permission: 'events.read',
  description:
    'The most frequent values of one dimension in a range, with exact counts and their share of all events; the others are the last row.',
  schema: z.strictObject({
    metric,
    dimension: dimension.describe('source, actor, session, name, or a property path'),
    search: z.string().max(MCP_LIMITS.valueCharsMax).optional().describe('Part of the value'),
    ...rangeShape,
    filter,
    limit: z.int().min(1).max(100).default(20),
    max_tokens: maxTokens,
  }),
  async call(args, context) {
    const range = rangeOf(args, context.now())
    const selection = { name: args.metric, filter: filterArgument(args.filter) }
    const { data, extensions } = await context.run<TopData>(DOCUMENT, {
      ...selection,
      ...range,
      dimension: args.dimension,
      search: args.search,
      limit: args.limit,
    })
    const { values, total, found } = data.top
    const info = infoOf(extensions, 'top')
    const empty = total === 0 ? await explainEmpty(context, selection, range) : undefined
    const notes = [...notesOf({ points: [], info }, range, context.now()), ...(empty?.notes ?? [])]
    if (total > 0 && values.every(({ value, isOther }) => value === null || isOther))
      notes.push(
        args.search === undefined
          ? 'no event of this range has this dimension (null stands for events without it); list_properties shows those that exist.'
          : 'no value contains the search.',
      )
    return {
      facts: {
        range: `${range.start} to ${range.end}`,
        values_found: found,
        total,
        ...factsOf(info),
      },
      notes,
      subject: {
        metric: args.metric,
        dimension: args.dimension,
        ...(args.filter && { filter: args.filter }),
        link: context.link({
          from: range.start,
          to: range.end,
          name: args.metric === '*' ? undefined : args.metric,
        }),
      },
      columns: empty?.columns ?? ['value', 'count', 'percent'],
      rows:
        empty?.rows ??
        values.map(({ value, count, share }) => [
          value === null ? null : truncate(value, MCP_LIMITS.cellCharsMax),
          count,
          Math.round(share * 1_000) / 10,
        ]),
      hint: 'pass a smaller limit, a search, a filter, or max_tokens.',
    }
  },
})
