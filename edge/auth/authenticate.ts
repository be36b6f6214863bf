import { type KeyRecord, looksLikeApiKey } from '../../contract/api-key.ts'
import type { EdgeContext, Middleware } from '../http/context.ts'
import { checkOrigin } from '../http/cors.ts'
import { HttpProblem } from '../http/http-problem.ts'
import type { FindKey } from './key-directory.ts'

/** The sender's address, where the runtime knows it. @param env what the runtime hands over beside the request */
export type AddressOf = (request: Request, env: unknown) => string | undefined

/** Who is this, and may they send from here? The tenant comes from the key and from nothing else. */
export function authenticate(
  findKey: FindKey,
  now: () => number,
  addressOf: AddressOf,
): Middleware {
  return async (c, next) => {
    const query = queryOf(c.req.url)
    const sent = sentKey(c, query)
    // Form and checksum first: a typo or a guess costs no look-up and no place in a cache.
    if (!looksLikeApiKey(sent)) throw new HttpProblem('KEY_UNKNOWN')
    const key = await findKey(sent, () => addressOf(c.req.raw, c.env))
    if (!key || key.revoked_at !== null || hasExpired(key, now()))
      throw new HttpProblem('KEY_UNKNOWN')
    // First, so that a page can read whatever is said from here on.
    checkOrigin(c, key)
    if (!key.scopes.includes('ingest'))
      throw new HttpProblem('SCOPE_MISSING', {
        detail: 'This API key lacks the scope "ingest" that the request needs.',
      })
    c.set('key', key)
    // A library that asks for it in its envelope cannot be told no: then its old events are dead letters.
    const asked = c.get('incoming')?.historical === true && key.may_import_history
    c.set('historical', readHistorical(query, key) || asked)
    return next()
  }
}

/** Most requests have no query, and parsing an URL costs more than looking for the mark. */
function queryOf(url: string): URLSearchParams | undefined {
  const mark = url.indexOf('?')
  return mark < 0 ? undefined : new URLSearchParams(url.slice(mark + 1))
}

function sentKey(c: EdgeContext, query: URLSearchParams | undefined): string {
  const headers = c.req.raw.headers
  const authorization = headers.get('authorization')
  const found =
    (authorization === null ? undefined : fromAuthorization(authorization)) ||
    headers.get('x-api-key')?.trim()
  if (found) return found
  // Set where the body was read first; a body is in no log.
  const inBody = c.get('incoming')?.apiKey
  if (inBody) return inBody
  const inQuery = query?.get('key')
  if (!inQuery) throw new HttpProblem('KEY_MISSING')
  // Addresses end up in logs and histories, so no secret may travel in one.
  if (!inQuery.startsWith('slc_pub_'))
    throw new HttpProblem('KEY_UNKNOWN', {
      detail: 'Only a public key (slc_pub_…) may be sent as ?key=.',
    })
  return inQuery
}

/** Bearer, or the user part of Basic as Segment's clients send it. */
function fromAuthorization(header: string): string | undefined {
  const [, scheme = '', rest = ''] = /^(bearer|basic) +(\S+) *$/i.exec(header) ?? []
  if (scheme.toLowerCase() !== 'basic') return rest
  try {
    return atob(rest).split(':', 1)[0]
  } catch {
    return rest // no base64, hence no key: it will be refused as unknown
  }
}

function hasExpired(key: KeyRecord, at: number): boolean {
  // An expiry that cannot be read counts as over.
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
