import { z } from 'zod'
import type { EventPropertiesResult } from '../../../queries/explore/event-properties.ts'
import { infoOf } from '../../operations/run-operation.ts'
import { MCP_LIMITS } from '../limits.ts'
import { truncate } from '../untrusted.ts'
import { factsOf } from './facts.ts'
import { explainEmpty, notesOf } from './metrics.ts'
import { defineTool, maxTokens, metric, rangeOf, rangeShape } from './tool.ts'

const DOCUMENT = `query McpProperties($name: String!, $start: DateTime!, $end: DateTime!) {
  properties(name: $name, startTime: $start, endTime: $end) { properties { path types share } sampled }
}`

interface PropertiesData {
  properties: { properties: EventPropertiesResult['rows']; sampled: number }
}

export const listProperties = defineTool({
  name: 'list_properties',
  permission: 'events.read',
  description:
    'Properties of an event with their types, from its newest events: paths for group_by, filter and dimension.',
  schema: z.strictObject({ metric, ...rangeShape, max_tokens: maxTokens }),
  async call(args, context) {
    const range = rangeOf(args, context.now())
    const { data, extensions } = await context.run<PropertiesData>(DOCUMENT, {
      name: args.metric,
      ...range,
    })
    const { properties, sampled } = data.properties
    const info = infoOf(extensions, 'properties')
    const selection = { name: args.metric, filter: [] }
    const empty = sampled === 0 ? await explainEmpty(context, selection, range) : undefined
    return {
      facts: {
        range: `${range.start} to ${range.end}`,
        events_looked_at: sampled,
        ...factsOf(info),
      },
      notes: [
        ...notesOf({ points: [], info }, range, context.now()),
        'a sample of the newest events: shares are rough, and rare properties may be missing.',
        ...(empty?.notes ?? []),
      ],
      subject: { metric: args.metric, link: context.link({ from: range.start, to: range.end }) },
      columns: empty?.columns ?? ['path', 'types', 'share'],
      rows:
        empty?.rows ??
        properties.map(({ path, types, share }) => [
          truncate(path, MCP_LIMITS.nameCharsMax),
          types.join('|'),
          Math.round(share * 1_000) / 1_000,
        ]),
    }
  },
})
