import { createRoute, z } from '@hono/zod-openapi'
import type { HealthCheck } from '../../../http/health.ts'
import { type App, isoTime, json } from '../shared.ts'

const health = z.object({
  status: z.enum(['ok', 'failing']),
  timestamp: z.string().openapi({ format: 'date-time' }),
})

const route = createRoute({
  method: 'get',
  path: '/health',
  tags: ['Analytics-Pipeline'],
  summary: 'Whether everything works',
  security: [],
  responses: { 200: json('It does.', health), 503: json('It does not.', health) },
})

export function addAnalyticsHealth(app: App, checkHealth: HealthCheck): void {
  app.openapi(route, async (c) => {
    const checks = await checkHealth()
    const isOk = Object.values(checks).every((state) => state === 'ok')
    const timestamp = isoTime(Date.now())
    return isOk
      ? c.json({ status: 'ok', timestamp } as const, 200)
      : c.json({ status: 'failing', timestamp } as const, 503)
  })
}
