import type { ExecutionContext } from 'hono'
import { raceTimeout } from '../lib/timeout.ts'
import { composeEdge, type EdgeSettings } from './compose.ts'

/** Built with the first request, because bindings come with it; kept while the isolate lives. */
let edge: ReturnType<typeof composeEdge> | undefined

export default {
  fetch(request: Request, env: EdgeSettings, context: ExecutionContext) {
    edge ??= composeEdge(said(env), { timeout: raceTimeout, edgeNameOf: colo, addressOf })
    const answer = edge.fetch(request, env, context)
    // When a client goes away its request is torn down; the lease on its Idempotency-Key would stay
    // behind and turn its retry away.
    if (request.headers.has('idempotency-key')) context.waitUntil(Promise.resolve(answer))
    return answer
  },
}

/** workerd binds what its environment does not hold to null. */
function said(env: EdgeSettings): EdgeSettings {
  const settings = Object.entries(env).filter(([, value]) => value !== null)
  return Object.fromEntries(settings) as unknown as EdgeSettings
}

/** Three letters of an airport on Cloudflare; elsewhere `cf` does not name one. */
function colo(request: Request): string {
  return cfOf(request)?.colo ?? 'workerd'
}

/**
 * On Cloudflare the header is Cloudflare's; there `cf` names the place. Under `workerd serve` anyone
 * could send that header, and `cf` holds the address of the socket.
 */
function addressOf(request: Request): string | undefined {
  const cf = cfOf(request)
  return cf?.clientIp ?? (cf?.colo && (request.headers.get('cf-connecting-ip') ?? undefined))
}

function cfOf(request: Request): { colo?: string; clientIp?: string } | undefined {
  return (request as { cf?: { colo?: string; clientIp?: string } }).cf
}
