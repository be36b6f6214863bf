import type { Admission } from '../admission.ts'
import { parseAdmitReply } from './admit-reply.ts'
import type { RedisClient } from './redis.ts'
import { createRedisIdempotency, lockArgs, lockKey, readBeginResult } from './redis-idempotency.ts'
import {
  createRedisRateLimiter,
  rateLimitArgs,
  rateLimitKeys,
  rateLimitResult,
} from './redis-rate-limiter.ts'
import { ADMIT } from './scripts.ts'

/** Rate limits and locks in Redis, one request for both. @param limits false where they are turned off */
export function createRedisAdmission(redis: RedisClient, limits: boolean): Admission {
  return {
    rateLimiter: limits ? createRedisRateLimiter(redis) : undefined,
    idempotency: createRedisIdempotency(redis),
    async admit({ key, cost, idempotency: request }, now) {
      const token = request ? crypto.randomUUID() : ''
      const [bucket, window] = rateLimitKeys(key)
      const keys = [bucket, window, request ? lockKey(request) : window]
      const args = [
        ...rateLimitArgs(key, limits ? cost : 0, now),
        ...(request ? lockArgs(request, token) : ['', '', '', '']),
      ]
      const reply = parseAdmitReply(await redis.run(ADMIT, keys, args))
      return {
        rateLimit: limits ? rateLimitResult(redis, reply, key, cost, now) : undefined,
        begun: request && readBeginResult(redis, reply, request, token, now),
      }
    },
  }
}
