import { createRoute, z } from '@hono/zod-openapi'
import { ApiError } from '../../../../lib/api-error.ts'
import { EVENT_DOCUMENT, type EventNode } from '../../events-document.ts'
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

export function addPulseEvents(app: App, { runOperation }: CompatibilityDeps): void {
  app.openapi(search, async (c) => {
    const { tenant, eventId } = c.req.valid('query')
    const variables = { tenant, id: eventId }
    const { data } = await runOperation<{ event: EventNode | null }>(c, EVENT_DOCUMENT, variables)
    if (data.event === null) throw new ApiError('EVENT_NOT_FOUND')
    return c.json(toPulseEvent(data.event, tenantOf(c, tenant)), 200)
  })

  // Not in the description: no request succeeds. Clients of Pulse show a 404 as "not found".
  app.get('/admin/event/by-idempotency', () => {
    throw new ApiError(
      'EVENT_NOT_FOUND',
      'Events are not found by their Idempotency-Key, which is not kept with them. Search by event id, or by request_id on /v1/events.',
    )
  })
}
