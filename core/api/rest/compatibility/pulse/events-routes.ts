import { createRoute, z } from '@hono/zod-openapi'
import { ApiError } from '../../../../lib/api-error.ts'
import {
  EVENT_DOCUMENT,
  EVENTS_DOCUMENT,
  type EventList,
  type EventNode,
} from '../../events-document.ts'
import { tenantParameter } from '../../schemas.ts'
import { type App, type CompatibilityDeps, responsesOf, tenantOf } from '../shared.ts'
import { pulseEvent, toPulseEvent } from './event.ts'

const search = createRoute({
  method: 'get',
  path: '/admin/event/search',
  tags: ['Pulse'],
  summary: 'One event, by its id',
  request: { query: z.object({ tenant: tenantParameter, eventId: z.string() }) },
  responses: responsesOf('The event.', pulseEvent),
})

const byIdempotency = createRoute({
  method: 'get',
  path: '/admin/event/by-idempotency',
  tags: ['Pulse'],
  summary: 'One event, by the Idempotency-Key of its request',
  request: { query: z.object({ tenant: tenantParameter, idempotencyKey: z.string().min(1) }) },
  responses: responsesOf('The event.', pulseEvent),
})

export function addPulseEvents(app: App, { runOperation }: CompatibilityDeps): void {
  app.openapi(search, async (c) => {
    const { tenant, eventId } = c.req.valid('query')
    const variables = { tenant, id: eventId }
    const { data } = await runOperation<{ event: EventNode | null }>(c, EVENT_DOCUMENT, variables)
    if (data.event === null) throw new ApiError('EVENT_NOT_FOUND')
    return c.json(toPulseEvent(data.event, tenantOf(c, tenant)), 200)
  })

  app.openapi(byIdempotency, async (c) => {
    const { tenant, idempotencyKey } = c.req.valid('query')
    // The first that was received, of a request with several.
    const variables = { tenant, idempotencyKey, last: 1 }
    const { data } = await runOperation<EventList>(c, EVENTS_DOCUMENT, variables)
    const [edge] = data.events.edges
    if (edge === undefined) throw new ApiError('EVENT_NOT_FOUND')
    return c.json(toPulseEvent(edge.node, tenantOf(c, tenant), idempotencyKey), 200)
  })
}
