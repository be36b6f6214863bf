import type { ExecutionContext } from 'hono'
import { composeEdge, type EdgeSettings } from './compose.ts'
import { forgetLate } from './within.ts'

/** Built with the first request, because bindings come with it; kept while the isolate lives. */
let edge: ReturnType<typeof composeEdge> | undefined

export default {
  fetch(request: Request, env: EdgeSettings, context: ExecutionContext) {
    edge ??= composeEdge(env, { exchange: forgetLate, placeOf: colo })
    const answer = edge.fetch(request, env, context)
    // When a client goes away its request is torn down; the lease on its Idempotency-Key would stay
    // behind and turn its retry away.
    if (request.headers.has('idempotency-key')) context.waitUntil(Promise.resolve(answer))
    return answer
  },
}

/** Three letters of an airport on Cloudflare; elsewhere there is no `cf`. */
function colo(request: Request): string {
  return (request as { cf?: { colo?: string } }).cf?.colo ?? 'workerd'
}
