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

export interface RefusedMore {
  /** Instead of the table's sentence. */
  detail?: string
  errors?: ItemError[]
  /** More members of the problem. */
  members?: Record<string, unknown>
  /** Lower-case names. */
  headers?: Record<string, string>
}

/** An expected no: thrown by any step, turned into a response here and nowhere else. */
export class Refused extends Error {
  readonly code: ErrorCode
  readonly more: RefusedMore

  constructor(code: ErrorCode, more: RefusedMore = {}) {
    super(code)
    this.name = 'Refused'
    this.code = code
    this.more = more
  }
}

/** What an operator should hear of: never a key, a header or an event's content. */
export interface Reported {
  level: 'warn' | 'error'
  what: string
  requestId?: string
  /** Class of the error and where it was thrown; its message may quote what a client sent. */
  error?: string
}

export type Report = (reported: Reported) => void

/** The one place where an error becomes a response. */
export function refuse(report: Report) {
  return (error: Error, c: EdgeContext) => {
    if (error instanceof Refused) return say(c, error.code, error.more)
    report({
      level: 'error',
      what: 'a request failed in a way nobody foresaw',
      requestId: c.get('requestId'),
      error: describe(error),
    })
    return say(c, 'INTERNAL')
  }
}

export function notFound(c: EdgeContext) {
  return say(c, 'NOT_FOUND')
}

/** @param allowed as the Allow header lists them */
export function methodNotAllowed(allowed: string) {
  return (c: EdgeContext) => say(c, 'METHOD_NOT_ALLOWED', { headers: { allow: allowed } })
}

function say(c: EdgeContext, code: ErrorCode, more: RefusedMore = {}) {
  const { status } = ERRORS[code]
  const body = JSON.stringify(problemOf(c, code, more))
  const headers = c.get('headers')
  if (status === 401) headers['www-authenticate'] = 'Bearer realm="sluice"'
  Object.assign(headers, more.headers)
  return respond(c, { status, type: 'application/problem+json', body })
}

/** The body of a no. */
export function problemOf(c: EdgeContext, code: ErrorCode, more: RefusedMore): ProblemDetails {
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
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return [error.name, ...frames.slice(0, 5).map((line) => line.trim())].join(' ')
}
