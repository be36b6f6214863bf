import { createRoute, z } from '@hono/zod-openapi'
import type { HealthCheck } from '../../../http/health.ts'
import { type App, json } from '../shared.ts'

const connection = z.enum(['connected', 'disconnected'])
const health = z.object({ status: z.enum(['UP', 'DOWN']), database: connection, kafka: connection })

const route = createRoute({
  method: 'get',
  path: '/admin/health',
  tags: ['Pulse'],
  summary: 'Whether database, log and workers respond',
  security: [],
  responses: { 200: json('All of them do.', health), 503: json('One of them does not.', health) },
})

export function addPulseHealth(app: App, checkHealth: HealthCheck): void {
  app.openapi(route, async (c) => {
    const checks = await checkHealth()
    const isUp = Object.values(checks).every((state) => state === 'ok')
    const state = (part: string) => (checks[part] === 'ok' ? 'connected' : 'disconnected')
    const parts = { database: state('postgres'), kafka: state('log') } as const
    return isUp
      ? c.json({ status: 'UP', ...parts } as const, 200)
      : c.json({ status: 'DOWN', ...parts } as const, 503)
  })
}
