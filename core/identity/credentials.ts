import { looksLikeApiKey } from '../../contract/api-key.ts'

/**
 * Its name says how it was set: browsers take a cookie with the prefix `__Host-` only with Secure and from this very host,
 * so no other host and no page without HTTPS can plant one. Where Secure is set, no other cookie is a session.
 */
export function sessionCookie(secure: boolean): string {
  return secure ? '__Host-sluice_session' : 'sluice_session'
}

export interface Credentials {
  /** As it was sent, unchecked. */
  key?: string
  session?: string
}

/**
 * The credentials of a request: an API key as `Authorization: Bearer`, `X-API-Key` or the user of Basic,
 * or the cookie of a session. A Basic user that does not look like a key is a proxy's and ignored.
 */
export function readCredentials(headers: Headers, secure: boolean): Credentials {
  const session = readCookie(headers.get('cookie'), sessionCookie(secure))
  const key = headers.get('x-api-key') ?? fromAuthorization(headers.get('authorization'))
  return { ...(key !== undefined && { key }), ...(session !== undefined && { session }) }
}

function fromAuthorization(header: string | null): string | undefined {
  const [, scheme, rest] = /^(\S+) +(\S+) *$/.exec(header ?? '') ?? []
  if (scheme === undefined || rest === undefined) return undefined
  if (scheme.toLowerCase() === 'bearer') return rest
  if (scheme.toLowerCase() !== 'basic') return undefined
  const user = readBasic(header)?.user
  return user !== undefined && looksLikeApiKey(user) ? user : undefined
}

export function readBasic(header: string | null): { user: string; password: string } | undefined {
  const [, encoded] = /^basic +([A-Za-z0-9+/=]+) *$/i.exec(header ?? '') ?? []
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) }
}

function readCookie(header: string | null, name: string): string | undefined {
  for (const pair of (header ?? '').split(';')) {
    const [key, value] = pair.trim().split('=', 2)
    if (key === name && value !== undefined && value !== '') return value
  }
  return undefined
}
