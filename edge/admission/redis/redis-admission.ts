import type { Admission } from '../admission.ts'
import type { RedisClient } from './redis.ts'
import { createRedisIdempotency, lockArgs, lockKey, readBeginResult } from './redis-idempotency.ts'
import {
  createRedisRateLimiter,
  parseAdmitReply,
  rateLimitArgs,
  rateLimitKeys,
  rateLimitResult,
} from './redis-rate-limiter.ts'
import { ADMIT } from './scripts.ts'

/** Limits and leases in Redis, one request for both. @param limits false where they are turned off */
export function createRedisAdmission(redis: RedisClient, limits: boolean): Admission {
  return {
    rateLimiter: limits ? createRedisRateLimiter(redis) : undefined,
    idempotency: createRedisIdempotency(redis),
    async admit({ key, cost: events, idempotency: idempotent }, now) {
      const token = crypto.randomUUID()
      const [bucket, window] = rateLimitKeys(key)
      const keys = [bucket, window, idempotent ? lockKey(idempotent) : window]
      const args = [
        ...rateLimitArgs(key, limits ? events : 0, now),
        ...(idempotent ? lockArgs(idempotent, token) : ['', '', '', '']),
      ]
      const reply = parseAdmitReply(await redis.run(ADMIT, keys, args))
      return {
        rateLimit: limits ? rateLimitResult(redis, reply, key, events, now) : undefined,
        begun: idempotent && readBeginResult(redis, reply, idempotent, token, now),
      }
    },
  }
}
