import type { EnrichmentName, Geo } from '../../contract/enrichment.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { Stamp } from '../../contract/log/record.ts'
import type { AuthenticatedRequest } from '../auth/authenticate.ts'

/**
 * Where a request came from. Never from what its sender can write.
 * @param env what the runtime passes along with the request
 */
export type GeoOf = (request: Request, env: unknown) => Geo | undefined

/**
 * What a record holds of the request itself, of that only which the tenant declared: others pay nothing. A request with
 * a secret key is a visitor's only where its user agent is a browser's, sent from a page or passed on by a server: the
 * library and the data centre of a server say nothing of a visitor.
 */
export function visitorOf(
  { c, key }: AuthenticatedRequest,
  geoOf: GeoOf | undefined,
): Pick<Stamp, 'ua' | 'geo'> {
  const { enrich } = key
  if (!enrich || enrich.length === 0) return {}
  const request = c.req.raw
  const ua = userAgentOf(request)
  if (key.kind !== 'pub' && !(ua && OF_BROWSER.test(ua))) return {}
  const wants = (name: EnrichmentName) => enrich.includes(name)
  return {
    ua: wants('browser') || wants('bots') ? ua : undefined,
    geo: wants('geo') ? geoOf?.(request, c.env) : undefined,
  }
}

const OF_BROWSER = /^(?:Mozilla|Opera)\//
const UNPRINTABLE = /[^\x20-\x7e]/g

function userAgentOf(request: Request): string | undefined {
  const sent = request.headers.get('user-agent')?.slice(0, LIMITS.userAgentCharsMax)
  return sent?.replace(UNPRINTABLE, '') || undefined
}
