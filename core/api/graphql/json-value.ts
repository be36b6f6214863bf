import { ApiError } from '../../lib/api-error.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'

/**
 * A JSON value on its way through the executor. Executors take every object with a member `then` for a promise, and
 * clients choose the members of their events' JSON: so no such object is ever handed to one.
 */
export class JsonValue {
  readonly #value: unknown
  /** Of its text, in UTF-16 code units. */
  readonly length: number

  constructor(value: unknown) {
    this.#value = value
    this.length = JSON.stringify(value)?.length ?? 0
  }

  /** Called by JSON.stringify, once: a member `toJSON` of the value itself is data, and no function. */
  toJSON(): unknown {
    return this.#value
  }
}

/** How much the response to one request may still grow. */
export interface ResponseBudget {
  /** @returns the value for the executor; @throws QUERY_TOO_LARGE when the response would exceed its limit */
  json(value: unknown): JsonValue
  json(value: unknown | null): JsonValue | null
  /** For subscriptions, whose every update is a response. */
  reset(): void
}

export function createResponseBudget(): ResponseBudget {
  let left: number = QUERY_LIMITS.responseBytesMax
  /** An alias sends a value once more, but it is measured once. */
  const measured = new WeakMap<object, JsonValue>()

  function boxOf(value: unknown): JsonValue {
    if (typeof value !== 'object' || value === null) return new JsonValue(value)
    const box = measured.get(value) ?? new JsonValue(value)
    measured.set(value, box)
    return box
  }

  return {
    // biome-ignore lint/suspicious/noExplicitAny: the overloads say when it is null
    json(value: unknown): any {
      if (value === null || value === undefined) return null
      if (left <= 0) throw responseTooLarge()
      const box = boxOf(value)
      left -= box.length
      if (left < 0) throw responseTooLarge()
      return box
    },
    reset() {
      left = QUERY_LIMITS.responseBytesMax
    },
  }
}

export function responseTooLarge(): ApiError {
  return new ApiError(
    'QUERY_TOO_LARGE',
    `The response would be larger than ${QUERY_LIMITS.responseBytesMax / 1024 ** 2} MiB; ask for fewer events, buckets or fields.`,
    { limit: 'response' },
  )
}
