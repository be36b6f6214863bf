import type { Context } from 'hono'
import type { HealthCheck } from '../../http/health.ts'
import { addAnalyticsEvents } from './analytics-pipeline/events-route.ts'
import { addAnalyticsHealth } from './analytics-pipeline/health-route.ts'
import { addAnalyticsMetrics } from './analytics-pipeline/metrics-routes.ts'
import { addEventPulseEvents } from './event-pulse/events-routes.ts'
import { addEventPulseHealth } from './event-pulse/health-route.ts'
import { addEventPulseMetrics } from './event-pulse/metrics-route.ts'
import { addPulseEvents } from './pulse/events-routes.ts'
import { addPulseHealth } from './pulse/health-route.ts'
import { addPulseLag } from './pulse/lag-route.ts'
import { addPulseOverview } from './pulse/overview-routes.ts'
import type { App, CompatibilityDeps } from './shared.ts'

export const HEALTH_PATHS = ['/api/v1/events/health', '/admin/health', '/health']

/** Open: they reveal whether the pipeline works, as /readyz does. To be added before what demands credentials. */
export function addCompatibilityHealth(app: App, checkHealth: HealthCheck): void {
  addEventPulseHealth(app, checkHealth)
  addPulseHealth(app, checkHealth)
  addAnalyticsHealth(app, checkHealth)
}

/** The read APIs of older systems, on their paths and with their names. These need credentials, and are read only. */
export function addCompatibilityRoutes(app: App, deps: CompatibilityDeps): void {
  addEventPulseEvents(app, deps)
  addEventPulseMetrics(app, deps)
  addPulseOverview(app, deps)
  addPulseEvents(app, deps)
  addPulseLag(app, deps)
  addAnalyticsMetrics(app, deps)
  addAnalyticsEvents(app, deps)
}

/** The message of a problem under the name that clients of older systems read. */
export function legacyMembers(c: Context, detail: string): Record<string, string> {
  return /^\/(?:api\/v1|admin|metrics|events)\//.test(c.req.path) ? { error: detail } : {}
}
