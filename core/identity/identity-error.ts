import type { ApiErrorCode } from '../../contract/errors.ts'

/** A request about tenants or API keys that cannot be fulfilled; the message is a sentence for the operator. */
export class IdentityError extends Error {
  override name = 'IdentityError'
  /** What it is in the APIs. */
  readonly apiCode: ApiErrorCode
  /** The argument that has to change. */
  readonly argument: string | undefined

  constructor(message: string, apiCode: ApiErrorCode = 'BAD_USER_INPUT', argument?: string) {
    super(message)
    this.apiCode = apiCode
    this.argument = argument
  }
}
