import { createRoute, z } from '@hono/zod-openapi'
import { tenantParameter } from '../../schemas.ts'
import { type App, type CompatibilityDeps, lastSeconds, responsesOf, round } from '../shared.ts'
import { sourceFilter } from './events-routes.ts'

const WINDOW_SECONDS = { min: 10, max: 3_600, default: 60 }
const RANGE = `must be between ${WINDOW_SECONDS.min} and ${WINDOW_SECONDS.max}`

const DOCUMENT = `query EventPulseMetrics($tenant: ID, $name: String!, $startTime: DateTime!, $endTime: DateTime!,
  $groupBy: [String!], $filter: [DimensionFilter!]) {
  metrics(tenant: $tenant, name: $name, startTime: $startTime, endTime: $endTime, interval: TOTAL, groupBy: $groupBy,
    filter: $filter) { value dimensions }
}`

const route = createRoute({
  method: 'get',
  path: '/api/v1/metrics',
  tags: ['EventPulse'],
  summary: 'Counts and rates of the last seconds',
  description:
    'Of events that occurred in the window. The 100 largest groups; the others are counted as "(other)".',
  request: {
    query: z.object({
      window_seconds: z.coerce
        .number()
        .int('must be an integer')
        .min(WINDOW_SECONDS.min, RANGE)
        .max(WINDOW_SECONDS.max, RANGE)
        .default(WINDOW_SECONDS.default),
      group_by: z.enum(['event_type', 'source']).default('event_type'),
      event_type: z.string().min(1).optional(),
      source: z.string().optional(),
      tenant: tenantParameter,
    }),
  },
  responses: responsesOf(
    'A count for each group.',
    z.object({
      window_seconds: z.number().int(),
      group_by: z.string(),
      from: z.string().openapi({ format: 'date-time' }),
      to: z.string().openapi({ format: 'date-time' }),
      metrics: z.array(
        z.object({ key: z.string().nullable(), count: z.number(), rate_per_sec: z.number() }),
      ),
    }),
  ),
})

interface Group {
  value: number
  dimensions: Record<string, string | null>
}

export function addEventPulseMetrics(app: App, { runOperation, now }: CompatibilityDeps): void {
  app.openapi(route, async (c) => {
    const { window_seconds, group_by, event_type, source, tenant } = c.req.valid('query')
    const dimension = group_by === 'source' ? 'source' : 'name'
    const range = lastSeconds(now, window_seconds)
    const { data } = await runOperation<{ metrics: Group[] }>(c, DOCUMENT, {
      tenant,
      name: event_type ?? '*',
      ...range,
      groupBy: [dimension],
      filter: source === undefined ? undefined : sourceFilter(source),
    })
    const metrics = data.metrics.map(({ value, dimensions }) => ({
      key: dimensions[dimension] ?? null,
      count: value,
      rate_per_sec: round(value / window_seconds, 4),
    }))
    const { startTime: from, endTime: to } = range
    return c.json({ window_seconds, group_by, from, to, metrics }, 200)
  })
}
