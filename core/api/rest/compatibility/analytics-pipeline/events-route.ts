import { createRoute, z } from '@hono/zod-openapi'
import { QUERY_LIMITS } from '../../../../queries/limits.ts'
import type { EventNode } from '../../events-document.ts'
import { tenantParameter } from '../../schemas.ts'
import { type App, type CompatibilityDeps, responsesOf } from '../shared.ts'

const LIMIT_DEFAULT = 50

const DOCUMENT = `query RecentEvents($tenant: ID, $first: Int) {
  events(tenant: $tenant, first: $first) { edges { node { id name actor occurredAt properties } } }
}`

const route = createRoute({
  method: 'get',
  path: '/events/recent',
  tags: ['Analytics-Pipeline'],
  summary: 'The newest events',
  description: 'Newest received first.',
  request: {
    query: z.object({
      limit: z.coerce
        .number()
        .int('must be an integer')
        .min(1)
        .max(QUERY_LIMITS.eventsPageMax)
        .default(LIMIT_DEFAULT),
      tenant: tenantParameter,
    }),
  },
  responses: responsesOf(
    'The events.',
    z.object({
      events: z.array(
        z.object({
          event_id: z.string(),
          event_type: z.string(),
          user_id: z.string().nullable(),
          time: z.string().openapi({ format: 'date-time' }),
          properties: z.record(z.string(), z.unknown()),
        }),
      ),
      count: z.number().int(),
      limit: z.number().int(),
    }),
  ),
})

type RecentNode = Pick<EventNode, 'id' | 'name' | 'actor' | 'occurredAt' | 'properties'>

export function addAnalyticsEvents(app: App, { runOperation }: CompatibilityDeps): void {
  app.openapi(route, async (c) => {
    const { limit, tenant } = c.req.valid('query')
    const { data } = await runOperation<{ events: { edges: { node: RecentNode }[] } }>(
      c,
      DOCUMENT,
      { tenant, first: limit },
    )
    const events = data.events.edges.map(({ node }) => ({
      event_id: node.id,
      event_type: node.name,
      user_id: node.actor,
      time: node.occurredAt,
      properties: node.properties,
    }))
    return c.json({ events, count: events.length, limit }, 200)
  })
}
