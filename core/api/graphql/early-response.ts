import { isBrowserSession, ScopeMissingError } from '../../identity/viewer.ts'
import { ApiError, badInput } from '../../lib/api-error.ts'
import type { SecurityLog } from '../../lib/security-log.ts'
import { hasSameOrigin } from '../http/security.ts'
import { toApiError } from '../to-api-error.ts'
import type { Sender } from './context.ts'
import { deniedOf, type LogError, recordDenial } from './use-logs.ts'

const JSON_TYPE = /^application\/(?:json|graphql\+json)\s*(?:;|$)/i

/** What can be refused before a body is read. @throws METHOD_NOT_ALLOWED, MEDIA_TYPE_UNSUPPORTED, BAD_USER_INPUT */
export function checkRequest({ method, headers, url }: Request, { viewer }: Sender): void {
  if (method !== 'POST' && method !== 'GET' && method !== 'OPTIONS')
    throw new ApiError('METHOD_NOT_ALLOWED', 'GraphQL takes POST, and GET for queries.')
  if (method === 'GET') checkJsonParameters(new URL(url).searchParams)
  if (method !== 'POST') return
  // A page of another site, or of another port, would act in the name of who is signed in.
  if (isBrowserSession(viewer) && !hasSameOrigin(headers)) throw new ApiError('CROSS_SITE_REFUSED')
  const type = headers.get('content-type')
  if (type !== null && JSON_TYPE.test(type)) return
  // A page of another site can send these types with the cookie of a session; it learns nothing but that.
  if (isBrowserSession(viewer) && !headers.has('x-graphql-yoga-csrf'))
    throw new ApiError(
      'CROSS_SITE_REFUSED',
      'Send Content-Type: application/json, or the header x-graphql-yoga-csrf.',
    )
  throw new ApiError(
    'MEDIA_TYPE_UNSUPPORTED',
    `Send the header Content-Type: application/json; this request has ${type === null ? 'none' : `"${type.slice(0, 80)}"`}.`,
  )
}

/** Of a query in the URL. */
function checkJsonParameters(parameters: URLSearchParams): void {
  for (const name of ['variables', 'extensions']) {
    const text = parameters.get(name)
    if (!text) continue
    try {
      JSON.parse(text)
    } catch {
      throw badInput(name, 'is not valid JSON')
    }
  }
}

export interface EarlyResponseDeps {
  securityLog?: SecurityLog
  logError: LogError
  /** Once it is known. */
  sender?: Sender | undefined
}

interface From {
  requestId?: string | undefined
  address?: string | undefined
}

/** What an error means for the client whose request it ended; the logs learn of it. */
export function recordEarlyDenial(
  error: unknown,
  headers: Headers,
  from: From,
  { securityLog, logError, sender }: EarlyResponseDeps,
): ApiError {
  const known = toApiError(error)
  if (!known) logError(error, from.requestId)
  const denial = known ?? new ApiError('INTERNAL_SERVER_ERROR')
  const sentNothing =
    denial.code === 'UNAUTHENTICATED' &&
    !['authorization', 'x-api-key', 'cookie'].some((name) => headers.has(name))
  if (securityLog && !sentNothing) {
    const denied = error instanceof ScopeMissingError ? error.denied : {}
    recordDenial(securityLog, denial.code, { ...from, ...(sender ? deniedOf(sender) : denied) })
  }
  return denial
}

/** The response to a request of which nothing was read. */
export function respondEarly(
  error: unknown,
  { headers }: Request,
  from: From,
  deps: EarlyResponseDeps,
): Response {
  const { code, message, status, details } = recordEarlyDenial(error, headers, from, deps)
  const body = JSON.stringify({ errors: [{ message, extensions: { code, ...details } }] })
  const accept = headers.get('accept') ?? ''
  // Subscribers over SSE read events only.
  const asEvents = accept.includes('text/event-stream') && !accept.includes('json')
  return new Response(
    asEvents ? `event: next\ndata: ${body}\n\nevent: complete\ndata:\n\n` : body,
    {
      status,
      headers: {
        'Content-Type': asEvents ? 'text/event-stream' : 'application/json; charset=utf-8',
        ...(status === 401 && { 'WWW-Authenticate': 'Bearer' }),
        ...(status === 405 && { Allow: 'GET, POST' }),
        ...((status === 429 || status === 503) && { 'Retry-After': '1' }),
      },
    },
  )
}
