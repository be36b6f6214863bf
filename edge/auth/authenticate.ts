import { type KeyRecord, looksLikeApiKey } from '../../contract/api-key.ts'
import type { RequestEnvelope } from '../formats/ingest-format.ts'
import type { EdgeContext } from '../http/context.ts'
import { checkOrigin } from '../http/cors.ts'
import { HttpProblem } from '../http/http-problem.ts'
import type { FindKey } from './key-directory.ts'
import type { KeyOfSite } from './site-keys.ts'

/** The sender's address, where the runtime knows it. @param env what the runtime passes along with the request */
export type AddressOf = (request: Request, env: unknown) => string | undefined

/** A request whose sender is known and may send events. The tenant comes from the key and from nothing else. */
export interface AuthenticatedRequest {
  /** Of the request, its id and the response's headers. */
  c: EdgeContext
  key: KeyRecord
  /** `?historical=true` or the envelope asks for it, and the key may. */
  historical: boolean
}

/**
 * @param envelope of a body that was read first, since it may carry the key
 * @param onLookup called before a key that is not cached is looked up; ends the request by throwing
 * @throws KEY_MISSING, KEY_UNKNOWN, ORIGIN_NOT_ALLOWED, SCOPE_MISSING, INVALID_QUERY, HISTORICAL_NOT_ALLOWED
 */
export type Authenticate = (
  c: EdgeContext,
  envelope?: RequestEnvelope,
  onLookup?: () => void,
) => Promise<AuthenticatedRequest>

export function createAuthenticate(
  findKey: FindKey,
  now: () => number,
  addressOf: AddressOf,
  keyOfSite: KeyOfSite,
): Authenticate {
  return async (c, envelope = {}, onLookup = () => {}) => {
    const query = queryOf(c.req.url)
    const sent = sentKey(c, query, envelope, keyOfSite)
    // Form and checksum first: a typo or a guess costs no look-up and no place in a cache.
    if (!looksLikeApiKey(sent)) throw new HttpProblem('KEY_UNKNOWN')
    const key = await findKey(sent, () => {
      onLookup()
      return addressOf(c.req.raw, c.env)
    })
    if (key) c.set('key', key)
    if (!key || key.revoked_at !== null || hasExpired(key, now()))
      throw new HttpProblem('KEY_UNKNOWN')
    // Before anything else, so that a page can read every later response.
    checkOrigin(c, key)
    if (!key.scopes.includes('ingest'))
      throw new HttpProblem('SCOPE_MISSING', {
        detail: 'This API key lacks the scope "ingest" that the request needs.',
      })
    const isHistorical = readHistorical(query, key)
    // Libraries that ask for it in the envelope drop on a 4xx; without the right their old events become dead letters.
    const isGranted = envelope.historical === true && key.may_import_history
    return { c, key, historical: isHistorical || isGranted }
  }
}

/** Most requests have no query, and parsing a URL costs more than looking for the question mark. */
function queryOf(url: string): URLSearchParams | undefined {
  const mark = url.indexOf('?')
  return mark < 0 ? undefined : new URLSearchParams(url.slice(mark + 1))
}

function sentKey(
  c: EdgeContext,
  query: URLSearchParams | undefined,
  { apiKey, site }: RequestEnvelope,
  keyOfSite: KeyOfSite,
): string {
  const found = keyInHeader(c.req.raw.headers)
  if (found) return found
  // Bodies appear in no access log.
  if (apiKey) return apiKey
  const inQuery = query?.get('key')
  if (!inQuery) {
    const ofSite = site === undefined ? undefined : keyOfSite(site)
    if (ofSite) return ofSite
    throw new HttpProblem('KEY_MISSING', site === undefined ? {} : { detail: SITE_UNKNOWN })
  }
  return publicKeyInAddress(inQuery, '?key=')
}

const SITE_UNKNOWN =
  'The request has no API key, and SLUICE_SITE_KEYS has none for its domain, website, app or measurement id.'

/** Addresses end up in logs and histories, so no secret may travel in one. @throws KEY_UNKNOWN */
export function publicKeyInAddress(key: string, parameter: string): string {
  if (key.startsWith('slc_pub_')) return key
  throw new HttpProblem('KEY_UNKNOWN', {
    detail: `Only a public key (slc_pub_…) may be sent as ${parameter}.`,
  })
}

export function hasKeyInHeader(c: EdgeContext): boolean {
  return Boolean(keyInHeader(c.req.raw.headers))
}

function keyInHeader(headers: Headers): string | undefined {
  const authorization = headers.get('authorization')
  return (
    (authorization === null ? undefined : fromAuthorization(authorization)) ||
    headers.get('x-api-key')?.trim() ||
    // Jitsu's libraries want a colon in it: `slc_sec_…:any`.
    headers.get('x-write-key')?.split(':', 1)[0]?.trim()
  )
}

/** Bearer, or the user part of Basic as Segment's clients send it. */
function fromAuthorization(header: string): string | undefined {
  const [, scheme = '', rest = ''] = /^(bearer|basic) +(\S+) *$/i.exec(header) ?? []
  if (scheme.toLowerCase() !== 'basic') return rest
  try {
    return atob(rest).split(':', 1)[0]
  } catch {
    return rest // not base64, hence not a key: it will be refused as unknown
  }
}

function hasExpired(key: KeyRecord, at: number): boolean {
  // An expiry that cannot be read counts as expired.
  return key.expires_at !== null && !(Date.parse(key.expires_at) > at)
}

function readHistorical(query: URLSearchParams | undefined, key: KeyRecord): boolean {
  const values = query?.getAll('historical') ?? []
  if (values.some((value) => value !== 'true' && value !== 'false') || values.length > 1)
    throw new HttpProblem('INVALID_QUERY', { detail: 'historical is either true or false.' })
  if (values[0] !== 'true') return false
  if (!key.may_import_history) throw new HttpProblem('HISTORICAL_NOT_ALLOWED')
  return true
}
