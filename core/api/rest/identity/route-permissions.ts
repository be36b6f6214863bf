import type { Permission } from '../../../identity/roles.ts'

/** A path that needs credentials, and what each of its methods needs; HEAD as GET. */
export type ProtectedPath = Partial<Record<'GET' | 'POST' | 'PATCH' | 'DELETE', Permission>>

/**
 * All paths of REST that need credentials. The path decides who is admitted, the GraphQL document behind it in which
 * tenant: each checks the permission, and a test compares this table with the paths that are served.
 */
export const ROUTE_PERMISSIONS: Readonly<Record<string, ProtectedPath>> = {
  '/v1/metrics/:name': { GET: 'metrics.read' },
  '/v1/metrics/:name/changes': { GET: 'metrics.read' },
  '/v1/contributions/:name': { GET: 'metrics.read' },
  '/v1/ratio': { GET: 'metrics.read' },
  '/v1/names': { GET: 'events.read' },
  '/v1/properties': { GET: 'events.read' },
  '/v1/top/:name': { GET: 'events.read' },
  '/v1/funnel': { GET: 'events.read' },
  '/v1/retention': { GET: 'events.read' },
  '/v1/events': { GET: 'events.read' },
  '/v1/events/:id': { GET: 'events.read' },
  '/v1/receipts': { GET: 'events.read' },
  '/v1/receipts/:id': { GET: 'events.read' },
  '/v1/pipeline/freshness': { GET: 'pipeline.read' },
  '/v1/pipeline/lag': { GET: 'pipeline.read' },
  '/v1/balance': { GET: 'pipeline.read' },
  '/v1/metric-definitions': { GET: 'metrics.read', POST: 'metrics.declare' },
  '/v1/metric-definitions/:name': { GET: 'metrics.read', DELETE: 'metrics.declare' },
  '/v1/schemas': { GET: 'schemas.read' },
  '/v1/schemas/drift': { GET: 'schemas.read' },
  '/v1/schemas/:name': { GET: 'schemas.read' },
  '/v1/schemas/:name/pin': { POST: 'schemas.write', DELETE: 'schemas.write' },
  '/v1/members': { GET: 'members.read' },
  '/v1/members/leave': { POST: 'members.read' },
  '/v1/members/:id': { PATCH: 'members.manage', DELETE: 'members.manage' },
  '/v1/invitations': { GET: 'members.manage', POST: 'members.manage' },
  '/v1/invitations/:id': { DELETE: 'members.manage' },
  '/v1/sessions': { GET: 'own-sessions', DELETE: 'own-sessions' },
  '/v1/sessions/:id': { DELETE: 'own-sessions' },
  '/v1/tenants': { POST: 'tenants.create' },
  '/v1/keys': { GET: 'keys.read', POST: 'keys.manage' },
  '/v1/keys/:id': { GET: 'keys.read', PATCH: 'keys.manage', DELETE: 'keys.manage' },
  '/v1/keys/:id/rotate': { POST: 'keys.manage' },
  '/v1/keys/:id/use': { GET: 'keys.read' },
  '/v1/audit': { GET: 'audit.read' },
  // The read APIs of older systems.
  '/api/v1/events': { GET: 'events.read' },
  '/api/v1/events/:id': { GET: 'events.read' },
  '/api/v1/metrics': { GET: 'metrics.read' },
  '/admin/overview': { GET: 'metrics.read' },
  '/admin/top-event-types': { GET: 'events.read' },
  '/admin/event/search': { GET: 'events.read' },
  '/admin/event/by-idempotency': { GET: 'events.read' },
  '/admin/kafka/lag': { GET: 'pipeline.read' },
  '/metrics/realtime': { GET: 'metrics.read' },
  '/metrics/hourly': { GET: 'metrics.read' },
  '/metrics/summary': { GET: 'metrics.read' },
  '/events/recent': { GET: 'events.read' },
}

/** As `allowOnly` takes it. */
export function allowedMethods(path: ProtectedPath): string {
  const methods = Object.keys(path).flatMap((each) => (each === 'GET' ? ['GET', 'HEAD'] : [each]))
  return methods.join(', ')
}
