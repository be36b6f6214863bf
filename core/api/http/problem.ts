import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'

/** What core says no with, beside GraphQL: RFC 9457, in the words of contract/errors.ts where it has them. */
const PROBLEMS = {
  NOT_FOUND: { status: 404, says: 'There is nothing at this path.' },
  METHOD_NOT_ALLOWED: { status: 405, says: 'This path does not take that method; see Allow.' },
  HOST_NOT_ALLOWED: {
    status: 421,
    says: 'This server is not known by that name; add it to the configuration if it should be.',
  },
  GATEWAY_UNAUTHENTICATED: { status: 401, says: 'Send the credentials of the gateway.' },
  KEY_UNKNOWN: { status: 404, says: 'There is no such API key.' },
  KEYS_UNAVAILABLE: {
    status: 503,
    says: 'API keys cannot be looked up right now; ask again after Retry-After seconds.',
  },
  DASHBOARD_NOT_BUILT: { status: 503, says: 'The dashboard was not built: run "npm run build".' },
  UNAVAILABLE: { status: 503, says: 'This cannot be done right now; try again soon.' },
  INTERNAL: {
    status: 500,
    says: 'Something failed on our side; the request id helps to find it.',
  },
} as const satisfies Record<string, { status: ContentfulStatusCode; says: string }>

export type ProblemCode = keyof typeof PROBLEMS

export function sendProblem(
  c: Context,
  code: ProblemCode,
  headers: Record<string, string> = {},
): Response {
  const { status, says } = PROBLEMS[code]
  const body = {
    type: `urn:sluice:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title: says,
    status,
    detail: says,
    instance: c.req.path,
    code,
    request_id: c.get('requestId') as string | undefined,
  }
  return c.json(body, status, { 'Content-Type': 'application/problem+json', ...headers })
}

/** For a path that is there, asked in another way. */
export function allowOnly(allow: string): (c: Context) => Response {
  return (c) => sendProblem(c, 'METHOD_NOT_ALLOWED', { Allow: allow })
}
