import type { EdgeContext } from './context.ts'

const ALLOWED_HEADERS =
  'authorization, content-encoding, content-type, idempotency-key, x-api-key, x-request-id'

/** Answers a browser that asks before it sends. @param allowed the path's methods, as Allow lists them */
export function preflight(allowed: string) {
  return (c: EdgeContext) =>
    new Response(null, {
      status: 204,
      headers: {
        ...c.get('headers'),
        allow: allowed,
        'access-control-allow-methods': allowed,
        'access-control-allow-headers': ALLOWED_HEADERS,
        // Chromium remembers a preflight for two hours at most.
        'access-control-max-age': '7200',
      },
    })
}
