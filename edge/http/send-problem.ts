import { withoutKeys } from '../../contract/api-key.ts'
import {
  ERRORS,
  type ErrorCode,
  type ProblemDetails,
  problemDetails,
} from '../../contract/errors.ts'
import type { EdgeContext, Middleware } from './context.ts'
import { HttpProblem, type ProblemOptions } from './http-problem.ts'
import { describeError, type Report } from './report.ts'
import { respond } from './respond.ts'
import type { SecurityLog } from './security-log.ts'

/** The one place where an error becomes a response. */
export function errorHandler(
  report: Report,
  security: SecurityLog,
  addressOf: (request: Request, env: unknown) => string | undefined,
) {
  return (error: Error, c: EdgeContext) => {
    if (error instanceof HttpProblem) {
      security.denied(c, error.code, addressOf(c.req.raw, c.env))
      return sendProblem(c, error.code, error.options)
    }
    report({
      level: 'error',
      what: 'unexpected error, the request is answered with 500',
      requestId: c.get('requestId'),
      error: describeError(error),
    })
    return sendProblem(c, 'INTERNAL')
  }
}

export function notFound(c: EdgeContext) {
  return sendProblem(c, 'NOT_FOUND')
}

/** @param allowed as the Allow header lists them */
export function methodNotAllowed(allowed: string) {
  return (c: EdgeContext) => sendProblem(c, 'METHOD_NOT_ALLOWED', { headers: { allow: allowed } })
}

/** @param allowed as the Allow header lists them */
export function refuseHead(allowed: string): Middleware {
  const refuse = methodNotAllowed(allowed)
  return async (c, next) => (c.req.method === 'HEAD' ? refuse(c) : next())
}

function sendProblem(c: EdgeContext, code: ErrorCode, options: ProblemOptions = {}) {
  const { status } = ERRORS[code]
  const problem = problemBody(c, code, options)
  const body = JSON.stringify(options.body ? options.body(problem) : problem)
  const headers = c.get('headers')
  if (status === 401) headers['www-authenticate'] = 'Bearer realm="sluice"'
  Object.assign(headers, options.headers)
  const type = options.body ? 'application/json' : 'application/problem+json'
  return respond(c, { status, type, body })
}

export function problemBody(
  c: EdgeContext,
  code: ErrorCode,
  options: ProblemOptions,
): ProblemDetails {
  const body = problemDetails(code, {
    // The path only: a query may hold a key. (So does one of the paths.)
    instance: withoutKeys(c.req.path),
    requestId: c.get('requestId'),
    detail: options.detail,
    errors: options.errors,
  })
  return { ...body, ...options.members }
}
