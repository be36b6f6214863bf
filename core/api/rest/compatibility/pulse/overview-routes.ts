import { createRoute, z } from '@hono/zod-openapi'
import { QUERY_LIMITS } from '../../../../queries/limits.ts'
import { EVENT_FIELDS, type EventNode } from '../../events-document.ts'
import { tenantParameter } from '../../schemas.ts'
import {
  type App,
  type CompatibilityDeps,
  lastSeconds,
  onlyTenant,
  responsesOf,
  tenantOf,
} from '../shared.ts'
import { pulseEvent, toPulseEvent } from './event.ts'

const MINUTE_S = 60
const DAY_S = 86_400
const SINCE_MINUTES = { default: 1_440, max: 527_040 }

const OVERVIEW = `query PulseOverview($tenant: ID, $start5: DateTime!, $start30: DateTime!, $startDay: DateTime!, $end: DateTime!) {
  last5: metrics(tenant: $tenant, name: "*", startTime: $start5, endTime: $end, interval: TOTAL) { value }
  last30: metrics(tenant: $tenant, name: "*", startTime: $start30, endTime: $end, interval: TOTAL) { value }
  totals(tenant: $tenant, startTime: $startDay, endTime: $end, names: 1) { names { name } }
  events(tenant: $tenant, first: 20) { edges { node { ${EVENT_FIELDS} } } }
}`

const TOP = `query PulseTopEventTypes($tenant: ID, $startTime: DateTime!, $endTime: DateTime!) {
  totals(tenant: $tenant, startTime: $startTime, endTime: $endTime, names: ${QUERY_LIMITS.namesMax}) { names { name count } }
}`

const overview = createRoute({
  method: 'get',
  path: '/admin/overview',
  tags: ['Pulse'],
  summary: 'What happened lately',
  description: 'Events are counted by the time at which they occurred.',
  request: { query: onlyTenant },
  responses: responsesOf(
    'Counts, the most frequent event type of the last 24 hours, and the newest events.',
    z.object({
      eventsLast5Minutes: z.number(),
      eventsLast30Minutes: z.number(),
      topEventType: z.string(),
      status: z.enum(['healthy', 'degraded']),
      recentEvents: z.array(pulseEvent),
    }),
  ),
})

const top = createRoute({
  method: 'get',
  path: '/admin/top-event-types',
  tags: ['Pulse'],
  summary: 'The most frequent event types',
  description: `The first ${QUERY_LIMITS.namesMax}, by the time at which the events occurred.`,
  request: {
    query: z.object({
      sinceMinutes: z.coerce
        .number()
        .int('must be an integer')
        .min(1)
        .max(SINCE_MINUTES.max)
        .default(SINCE_MINUTES.default),
      tenant: tenantParameter,
    }),
  },
  responses: responsesOf(
    'The most frequent first.',
    z.array(z.object({ eventType: z.string(), count: z.number() })),
  ),
})

interface OverviewData {
  last5: { value: number }[]
  last30: { value: number }[]
  totals: { names: { name: string }[] }
  events: { edges: { node: EventNode }[] }
}

interface TopData {
  totals: { names: { name: string; count: number }[] }
}

export function addPulseOverview(app: App, deps: CompatibilityDeps): void {
  const { runOperation, checkHealth, now } = deps
  app.openapi(overview, async (c) => {
    const { tenant } = c.req.valid('query')
    const { startTime: start5, endTime: end } = lastSeconds(now, 5 * MINUTE_S)
    const { startTime: start30 } = lastSeconds(now, 30 * MINUTE_S)
    const { startTime: startDay } = lastSeconds(now, DAY_S)
    const variables = { tenant, start5, start30, startDay, end }
    const [{ data }, checks] = await Promise.all([
      runOperation<OverviewData>(c, OVERVIEW, variables),
      checkHealth(),
    ])
    const isHealthy = Object.values(checks).every((state) => state === 'ok')
    const body = {
      eventsLast5Minutes: data.last5[0]?.value ?? 0,
      eventsLast30Minutes: data.last30[0]?.value ?? 0,
      topEventType: data.totals.names[0]?.name ?? 'none',
      status: isHealthy ? ('healthy' as const) : ('degraded' as const),
      recentEvents: data.events.edges.map(({ node }) => toPulseEvent(node, tenantOf(c, tenant))),
    }
    return c.json(body, 200)
  })

  app.openapi(top, async (c) => {
    const { sinceMinutes, tenant } = c.req.valid('query')
    const variables = { tenant, ...lastSeconds(now, sinceMinutes * MINUTE_S) }
    const { data } = await runOperation<TopData>(c, TOP, variables)
    const counts = data.totals.names.map(({ name, count }) => ({ eventType: name, count }))
    return c.json(counts, 200)
  })
}
