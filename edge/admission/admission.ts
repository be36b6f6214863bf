import type { KeyRecord } from '../../contract/api-key.ts'
import type { BeginResult, IdempotencyStore, IdempotentRequest } from './idempotency.ts'
import type { RateLimiter, RateLimitResult } from './rate-limiter.ts'

/**
 * Whether a request may go on: rate limit and idempotency in one step, because where they are kept
 * in Redis every call is a round trip, and one round trip decides both.
 */
export interface Admission {
  /** undefined where limits are turned off */
  rateLimiter: RateLimiter | undefined
  idempotency: IdempotencyStore
  /** A lock only for what the limit allows; and nothing is taken from the limit without the lock. */
  admit(request: AdmissionRequest, now: number): Promise<AdmissionResult>
  /** Members of /healthz besides `status`; missing where no other service is involved. */
  health?(): Record<string, unknown>
}

export interface AdmissionRequest {
  key: KeyRecord
  /** In events. */
  cost: number
  /** When the client sent an Idempotency-Key. */
  idempotency: IdempotentRequest | undefined
}

export interface AdmissionResult {
  /** undefined where limits are turned off */
  rateLimit: RateLimitResult | undefined
  /** undefined without an Idempotency-Key, or when the rate limit refused */
  begun: BeginResult | undefined
}

/** Both kept in this process's memory. */
export function createAdmission(
  rateLimiter: RateLimiter | undefined,
  idempotency: IdempotencyStore,
): Admission {
  return {
    rateLimiter,
    idempotency,
    async admit({ key, cost, idempotency: request }, now) {
      const rateLimit = await rateLimiter?.limit(key, cost, now)
      if (!request || rateLimit?.allowed === false) return { rateLimit, begun: undefined }
      const begun = await idempotency.begin(request, now)
      if (begun.kind !== 'acquired') await rateLimit?.refund()
      return { rateLimit, begun }
    },
  }
}
