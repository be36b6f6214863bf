import type { KeyRecord } from '../../../contract/api-key.ts'
import { REDIS_KEYS } from '../../../contract/redis-rest.ts'
import { policiesOf, quotasOf, waitFor } from '../allowance.ts'
import type { RateLimiter, RateLimitResult } from '../rate-limiter.ts'
import { type AdmitReply, parseAdmitReply } from './admit-reply.ts'
import type { RedisClient } from './redis.ts'
import { ADMIT, REFUND } from './scripts.ts'

/**
 * The rate limits in Redis, for edges in many places: the same as the memory limiter's, to the event and
 * the millisecond.
 *
 * Not by @upstash/ratelimit's own algorithms (it runs on our gateway, see core/gateway): a batch that its
 * window refuses is counted all the same, bucket and window are two decisions, the wait is that to the
 * next refill and not the one that is needed, and a Redis that times out admits.
 */
export function createRedisRateLimiter(redis: RedisClient): RateLimiter {
  return {
    async limit(key, cost, now) {
      const [bucket, window] = rateLimitKeys(key)
      const args = [...rateLimitArgs(key, cost, now), '', '', '', '']
      const reply = await redis.run(ADMIT, [bucket, window, window], args)
      return rateLimitResult(redis, parseAdmitReply(reply), key, cost, now)
    },
  }
}

export function rateLimitKeys(key: KeyRecord): [bucket: string, window: string] {
  return [REDIS_KEYS.bucket(key.tenant, key.key_id), REDIS_KEYS.window(key.tenant)]
}

/** The first four of ADMIT's arguments. */
export function rateLimitArgs(key: KeyRecord, cost: number, now: number): number[] {
  const { bucketMax, windowMax } = quotasOf(key)
  return [now, cost, bucketMax, windowMax]
}

export function rateLimitResult(
  redis: RedisClient,
  { allowed, bucket, window, kind }: AdmitReply,
  key: KeyRecord,
  cost: number,
  now: number,
): RateLimitResult {
  const quotas = quotasOf(key)
  const isTaken = allowed && (kind === '' || kind === 'acquired')
  return {
    allowed,
    waitMs: allowed ? 0 : waitFor(bucket, window, quotas, cost, now),
    policies: policiesOf(bucket, window, quotas, now),
    async refund() {
      if (isTaken)
        await redis.run(REFUND, rateLimitKeys(key), [cost, quotas.bucketMax, window.start])
    },
  }
}
