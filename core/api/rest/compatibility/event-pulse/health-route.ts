import { createRoute, z } from '@hono/zod-openapi'
import type { HealthCheck } from '../../../http/health.ts'
import { type App, json } from '../shared.ts'

const health = z.object({
  status: z.enum(['ok', 'degraded']),
  redis: z.enum(['PONG', 'unreachable']).openapi({
    description: 'Whether the log, which takes events in before they are processed, responds.',
  }),
  worker: z.enum(['ok', 'degraded', 'unknown']),
})

const route = createRoute({
  method: 'get',
  path: '/api/v1/events/health',
  tags: ['EventPulse'],
  summary: 'Whether events are accepted and processed',
  security: [],
  responses: {
    200: json('Events are accepted.', health),
    503: json('The log does not respond.', health),
  },
})

export function addEventPulseHealth(app: App, checkHealth: HealthCheck): void {
  app.openapi(route, async (c) => {
    const { log, worker } = await checkHealth()
    if (log !== 'ok')
      return c.json({ status: 'degraded', redis: 'unreachable', worker: 'unknown' } as const, 503)
    const state = worker === 'ok' ? 'ok' : 'degraded'
    return c.json({ status: 'ok', redis: 'PONG', worker: state } as const, 200)
  })
}
