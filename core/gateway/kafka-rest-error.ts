import { ERRORS } from '../../contract/errors.ts'
import { LIMITS } from '../../contract/limits.ts'

export interface KafkaRestErrorSpec {
  status: 400 | 401 | 403 | 404 | 405 | 408 | 409 | 413 | 429 | 503
  /** Whether the message has the code before it, for clients that branch on it. Upstash's own errors have no codes. */
  namesCode?: boolean
  retryAfterSeconds?: number
}

/** All errors of the REST-Kafka protocol. Codes that contract/errors.ts has too take their status from there. */
export const KAFKA_REST_ERRORS = {
  INVALID_JSON: { status: ERRORS.INVALID_JSON.status },
  INVALID_REQUEST: { status: 400 },
  BODY_INCOMPLETE: { status: ERRORS.BODY_INCOMPLETE.status },
  CREDENTIALS_UNKNOWN: { status: 401 },
  SCOPE_MISSING: { status: ERRORS.SCOPE_MISSING.status, namesCode: true },
  UNKNOWN_TOPIC: { status: 404 },
  UNKNOWN_PARTITION: { status: 404 },
  INSTANCE_NOT_FOUND: { status: 404, namesCode: true },
  METHOD_NOT_ALLOWED: { status: ERRORS.METHOD_NOT_ALLOWED.status },
  BODY_TOO_SLOW: { status: ERRORS.BODY_TOO_SLOW.status },
  NO_OFFSET: { status: 409, namesCode: true },
  OFFSET_OUT_OF_RANGE: { status: 409, namesCode: true },
  PARTITION_NOT_ASSIGNED: { status: 409, namesCode: true },
  TOO_MANY_INSTANCES: { status: 409, namesCode: true },
  GROUP_NOT_EMPTY: { status: 409, namesCode: true },
  BODY_TOO_LARGE: { status: ERRORS.BODY_TOO_LARGE.status },
  TOO_MANY_ITEMS: { status: 413 },
  RECORD_TOO_LARGE: { status: 413, namesCode: true },
  TOO_MANY_BODIES: { status: 429, namesCode: true, retryAfterSeconds: 1 },
  TOO_MANY_FAILURES: { status: 429, namesCode: true, retryAfterSeconds: 10 },
  TOO_MANY_READERS: { status: 429, namesCode: true, retryAfterSeconds: 1 },
  TOO_MANY_GROUPS: { status: 429, namesCode: true, retryAfterSeconds: 1 },
  LOG_UNAVAILABLE: {
    status: ERRORS.LOG_UNAVAILABLE.status,
    retryAfterSeconds: LIMITS.retryAfterSecondsWithoutLog,
  },
} as const satisfies Record<string, KafkaRestErrorSpec>

export type KafkaRestErrorCode = keyof typeof KAFKA_REST_ERRORS

/** A request of the REST-Kafka protocol fails with one of the table's codes. @param where goes before the message */
export class KafkaRestError extends Error {
  readonly code: KafkaRestErrorCode
  readonly status: KafkaRestErrorSpec['status']
  readonly retryAfterSeconds: number | undefined

  constructor(code: KafkaRestErrorCode, detail: string, where = '') {
    const { status, namesCode, retryAfterSeconds }: KafkaRestErrorSpec = KAFKA_REST_ERRORS[code]
    super(where + (namesCode ? `${code}: ${detail}` : detail))
    this.name = 'KafkaRestError'
    this.code = code
    this.status = status
    this.retryAfterSeconds = retryAfterSeconds
  }
}
