import { ApiError } from '../lib/api-error.ts'
import { createFairLimiter } from '../lib/fair-limiter.ts'
import { createTokenBuckets } from '../lib/token-buckets.ts'
import { METRIC_LIMITS } from './metric-limits.ts'

/** What changes of metrics may cost the batches, which wait for each of them. */
export interface ChangeLimit {
  /**
   * Makes the change once no other one of this process is under way.
   * @throws TOO_MANY_ATTEMPTS beyond the tenant's changes a minute, OVERLOADED where too many wait, or for too long
   */
  run<T>(tenantId: number, change: () => Promise<T>): Promise<T>
}

export const UNLIMITED: ChangeLimit = { run: (_, change) => change() }

/**
 * One change at a time. The next one begins after batches had as long for themselves as they may have waited: however
 * many tenants change metrics at once, at least half of the time is left.
 */
export function createChangeLimit(
  perMinute: number = METRIC_LIMITS.changesPerMinuteMax,
): ChangeLimit {
  const attempts = createTokenBuckets({ perMinute })
  const limiter = createFairLimiter({
    concurrentMax: 1,
    totalMax: 1,
    queuedMax: METRIC_LIMITS.changesQueuedMax,
    queueMsMax: METRIC_LIMITS.changeQueueMs,
  })
  return {
    async run(tenantId, change) {
      const tenant = String(tenantId)
      if (!attempts.take(tenant)) throw tooManyChanges(perMinute)
      const release = await limiter.acquire(tenant)
      const began = performance.now()
      try {
        return await change()
      } finally {
        const tookMs = performance.now() - began
        setTimeout(release, Math.min(tookMs, METRIC_LIMITS.activationLockMs)).unref()
      }
    },
  }
}

function tooManyChanges(perMinute: number): ApiError {
  const retryAfterSeconds = Math.ceil(60 / perMinute)
  return new ApiError(
    'TOO_MANY_ATTEMPTS',
    `A tenant changes its metrics at most ${perMinute} times a minute; try again in ${retryAfterSeconds} s.`,
    { retryAfterSeconds },
  )
}
