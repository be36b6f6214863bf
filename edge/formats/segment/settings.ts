import { looksLikeApiKey } from '../../../contract/api-key.ts'
import type { EdgeContext } from '../../http/context.ts'
import { HttpProblem } from '../../http/http-problem.ts'
import { respond } from '../../http/respond.ts'

/**
 * What Segment's browser and mobile libraries request from their CDN before they send anything. It names
 * this edge as the host to send to, so that only `cdnURL` has to be changed. The key is not looked up:
 * nothing here depends on it.
 * @throws NOT_FOUND without a host to name
 * @throws KEY_UNKNOWN for anything but the form of a public key; addresses end up in logs and histories
 */
export function segmentSettings(c: EdgeContext): Response {
  const apiKey = c.req.param('writeKey') ?? ''
  if (!looksLikeApiKey(apiKey) || !apiKey.startsWith('slc_pub_'))
    throw new HttpProblem('KEY_UNKNOWN', {
      detail: 'Only a public key (slc_pub_…) may be used in a browser and in this path.',
    })
  const { host, protocol } = reachedAt(c.req.raw)
  const settings = {
    integrations: {
      'Segment.io': {
        apiKey,
        apiHost: `${host}/v1`,
        protocol,
        unbundledIntegrations: [],
        addBundledMetadata: true,
        maybeBundledConfigIds: {},
        versionSettings: { version: '4.4.7', componentTypes: ['browser'] },
      },
    },
    plan: {},
    edgeFunction: {},
    analyticsNextEnabled: true,
    middlewareSettings: {},
    enabledMiddleware: {},
    // The library's own metrics; the edge drops them.
    metrics: { sampleRate: 0 },
    legacyVideoPluginsEnabled: false,
    remotePlugins: [],
  }
  // Not for shared caches: the response names the host that was requested.
  c.get('headers')['cache-control'] = 'private, max-age=300'
  return respond(c, { status: 200, body: JSON.stringify(settings) })
}

/** Behind a proxy that ends TLS the request itself says http. */
function reachedAt(request: Request): { host: string; protocol: 'http' | 'https' } {
  const url = URL.parse(request.url)
  if (!url) throw new HttpProblem('NOT_FOUND', { detail: 'The Host of the request is not valid.' })
  const { host, protocol } = url
  const secure = protocol === 'https:' || request.headers.get('x-forwarded-proto') === 'https'
  return { host, protocol: secure ? 'https' : 'http' }
}

/** The browser library's metrics about itself, its own errors among them; accepted and dropped. */
export async function segmentMetrics(c: EdgeContext): Promise<Response> {
  await c.req.raw.body?.cancel()
  return respond(c, { status: 200, body: '{"success":true}' })
}
