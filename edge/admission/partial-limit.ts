import type { AuthenticatedRequest } from '../auth/authenticate.ts'
import { HttpProblem } from '../http/http-problem.ts'
import {
  limitDetail,
  limiterUnavailable,
  maxBatch,
  type RateLimiter,
  type RateLimitResult,
  rateLimitedProblem,
  rateLimitHeaders,
} from './rate-limiter.ts'

export interface PartialLimit {
  /** How many events the limit allows now. */
  allowed: number
  /** Why no more are allowed. */
  problem?: HttpProblem
  /** Gives all of them back. */
  refund(): Promise<void>
}

/**
 * Takes as many of `count` events from the limit as it allows now: of a stream, the allowed part is
 * published, and its client is told when to send the rest. Sets the response's rate limit headers.
 * @throws BATCH_OVER_LIMIT, LIMITER_UNAVAILABLE; what was taken before is refunded
 */
export async function limitPartially(
  { c, key }: AuthenticatedRequest,
  rateLimiter: RateLimiter | undefined,
  count: number,
  now: () => number,
): Promise<PartialLimit> {
  const taken: RateLimitResult[] = []
  const refund = async () => {
    for (const result of taken) await result.refund()
  }
  if (!rateLimiter) return { allowed: count, refund }
  const most = maxBatch(key)
  if (most < 1)
    throw new HttpProblem('BATCH_OVER_LIMIT', { detail: 'The rate limit never admits an event.' })

  const take = async (cost: number) => {
    const result = await rateLimiter.limit(key, cost, now())
    Object.assign(c.get('headers'), await rateLimitHeaders(result, key))
    if (result.allowed) taken.push(result)
    return result
  }
  try {
    for (let allowed = 0; ; ) {
      const wanted = Math.min(count - allowed, most)
      const result = await take(wanted)
      if (!result.allowed) {
        const remaining = Math.min(...result.policies.map((policy) => policy.remaining))
        const fits = remaining >= 1 && remaining < wanted && (await take(remaining)).allowed
        const problem = rateLimitedProblem(result, limitDetail(result, wanted))
        return { allowed: allowed + (fits ? remaining : 0), problem, refund }
      }
      allowed += wanted
      if (allowed === count) return { allowed, refund }
    }
  } catch (error) {
    await refund()
    throw limiterUnavailable(error)
  }
}
