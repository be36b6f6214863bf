import type { ExecutionContext } from 'hono'
import type { Geo } from '../../contract/enrichment.ts'
import { raceTimeout } from '../lib/timeout.ts'
import { composeEdge } from './compose.ts'
import { readGeo } from './geo-headers.ts'
import { readSettings } from './settings.ts'

/** Built with the first request, because bindings come with it; kept while the isolate lives. */
let edge: ReturnType<typeof composeEdge> | undefined

export default {
  fetch(request: Request, env: object, context: ExecutionContext) {
    edge ??= composeEdge(readSettings(env), {
      timeout: raceTimeout,
      edgeNameOf: coloOf,
      addressOf,
      geoOf,
    })
    const response = edge.fetch(request, env, context)
    // When a client disconnects its request is torn down where it stands: the lock on its Idempotency-Key would
    // stay and refuse its retry, and the bytes of its body would stay in the budget and refuse everybody else.
    // So requests with a body go on without their client, and reading the body fails at once.
    if (request.method === 'POST') context.waitUntil(Promise.resolve(response))
    return response
  },
}

/** Three letters of an airport on Cloudflare; elsewhere `cf` does not name one. */
function coloOf(request: Request): string {
  return cfOf(request)?.colo ?? 'workerd'
}

/**
 * On Cloudflare the header is Cloudflare's; there `cf` names the colo. Under `workerd serve` anyone
 * could send that header, and `cf` holds the address of the socket.
 */
function addressOf(request: Request): string | undefined {
  const cf = cfOf(request)
  return cf?.clientIp ?? (cf?.colo && (request.headers.get('cf-connecting-ip') ?? undefined))
}

/** On Cloudflare only: no client can write `cf`. Its `region` is a name; codes are the same on every platform. */
function geoOf(request: Request): Geo | undefined {
  const cf = cfOf(request)
  return cf?.colo === undefined ? undefined : readGeo({ ...cf, region: cf.regionCode })
}

interface IncomingCf {
  colo?: string
  clientIp?: string
  country?: string
  regionCode?: string
  city?: string
}

function cfOf(request: Request): IncomingCf | undefined {
  return (request as { cf?: IncomingCf }).cf
}
