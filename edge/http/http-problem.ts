import { withoutKeys } from '../../contract/api-key.ts'
import {
  ERRORS,
  type ErrorCode,
  type ItemError,
  type ProblemDetails,
  problemDetails,
} from '../../contract/errors.ts'
import type { EdgeContext } from './context.ts'
import { respond } from './respond.ts'

export interface ProblemOptions {
  /** Instead of the table's sentence. */
  detail?: string
  errors?: ItemError[]
  /** More members of the problem. */
  members?: Record<string, unknown>
  /** Lower-case names. */
  headers?: Record<string, string>
}

/** An expected no: thrown by any step, turned into a response here and nowhere else. */
export class HttpProblem extends Error {
  readonly code: ErrorCode
  readonly options: ProblemOptions

  constructor(code: ErrorCode, more: ProblemOptions = {}) {
    super(code)
    this.name = 'Refused'
    this.code = code
    this.options = more
  }
}

/** What an operator should hear of: never a key, a header or an event's content. */
export interface ReportEntry {
  level: 'warn' | 'error'
  what: string
  requestId?: string
  /** Class of the error and where it was thrown; its message may quote what a client sent. */
  error?: string
}

export type Report = (reported: ReportEntry) => void

/** The one place where an error becomes a response. */
export function errorHandler(report: Report) {
  return (error: Error, c: EdgeContext) => {
    if (error instanceof HttpProblem) return sendProblem(c, error.code, error.options)
    report({
      level: 'error',
      what: 'a request failed in a way nobody foresaw',
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

function sendProblem(c: EdgeContext, code: ErrorCode, more: ProblemOptions = {}) {
  const { status } = ERRORS[code]
  const body = JSON.stringify(problemBody(c, code, more))
  const headers = c.get('headers')
  if (status === 401) headers['www-authenticate'] = 'Bearer realm="sluice"'
  Object.assign(headers, more.headers)
  return respond(c, { status, type: 'application/problem+json', body })
}

/** The body of a no. */
export function problemBody(c: EdgeContext, code: ErrorCode, more: ProblemOptions): ProblemDetails {
  const body = problemDetails(code, {
    // The path only: a query may hold a key. (So does one of the paths.)
    instance: withoutKeys(c.req.path),
    requestId: c.get('requestId'),
    detail: more.detail,
    errors: more.errors,
  })
  return { ...body, ...more.members }
}

/** Class and stack without the message. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return [error.name, ...frames.slice(0, 5).map((line) => line.trim())].join(' ')
}
