import { z } from 'zod'
import { factsOf } from './facts.ts'
import { cellsOf, explainEmpty, notesOf, readSeries } from './metrics.ts'
import {
  aggregate,
  defineTool,
  dimension,
  filter,
  filterArgument,
  maxTokens,
  metric,
  rangeOf,
  rangeShape,
} from './tool.ts'

export const topValues = defineTool({
  name: 'top_values',
  description:
    'The largest values of one dimension in a range, with their share. Ask this to learn which values a property has.',
  schema: z.strictObject({
    metric,
    dimension: dimension.describe('source, actor, session, name, or a property path'),
    ...rangeShape,
    aggregate,
    filter,
    limit: z.int().min(1).max(100).default(20),
    max_tokens: maxTokens,
  }),
  async call(args, context) {
    const range = rangeOf(args, context.now())
    const groupBy = [args.dimension]
    const selection = {
      name: args.metric,
      timeZone: 'UTC',
      aggregate: args.aggregate.toUpperCase(),
      groupBy,
      filter: filterArgument(args.filter),
    }
    const series = await readSeries(context, selection, range, 'total')
    const { points, info } = series
    const empty = points.length === 0 ? await explainEmpty(context, selection, range) : undefined
    // Of what is not a sum, parts of a whole mean nothing.
    const isSum = args.aggregate === 'count' || args.aggregate === 'sum'
    const total = points.reduce((sum, { value }) => sum + value, 0)
    const largest = [...points].sort((a, b) => b.value - a.value).slice(0, args.limit)
    const notes = [...notesOf(series, range, context.now()), ...(empty?.notes ?? [])]
    if (
      points.length > 0 &&
      points.every((point) => cellsOf(point.dimensions, groupBy)[0] === null)
    )
      notes.push('no event in this range has this dimension; null stands for events without it.')
    return {
      facts: {
        range: `${range.start} to ${range.end}`,
        aggregate: args.aggregate,
        values_found: info.groups?.found ?? points.length,
        ...(isSum && { total }),
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
      columns: empty?.columns ?? [
        'value_of_dimension',
        args.aggregate,
        ...(isSum ? ['percent'] : []),
      ],
      rows:
        empty?.rows ??
        largest.map(({ dimensions, value }) => [
          ...cellsOf(dimensions, groupBy),
          value,
          ...(isSum ? [total === 0 ? null : Math.round((1_000 * value) / total) / 10] : []),
        ]),
      hint: 'pass a smaller limit, a filter, or max_tokens.',
    }
  },
})
