import type { ErrorCode, ItemError, ProblemDetails } from '../../contract/errors.ts'

export interface ProblemOptions {
  /** Instead of the message in ERRORS. */
  detail?: string
  errors?: ItemError[]
  /** More members of the problem. */
  members?: Record<string, unknown>
  /** Lower-case names. */
  headers?: Record<string, string>
  /** Instead of problem+json: a JSON body in the layout of a vendor's format. */
  body?: (problem: ProblemDetails) => unknown
}

/** An expected error of a request: thrown by any step, turned into a response by `errorHandler` alone. */
export class HttpProblem extends Error {
  readonly code: ErrorCode
  readonly options: ProblemOptions

  constructor(code: ErrorCode, options: ProblemOptions = {}) {
    super(code)
    this.name = 'HttpProblem'
    this.code = code
    this.options = options
  }
}
