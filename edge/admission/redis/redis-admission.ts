import type { Gate } from '../admission.ts'
import type { RedisClient } from './redis.ts'
import { claimArgs, claimFrom, claimKey, createUpstashIdempotency } from './redis-idempotency.ts'
import {
  createUpstashLimiter,
  limitArgs,
  limitKeys,
  readEntered,
  verdictOf,
} from './redis-rate-limiter.ts'
import { ENTER } from './scripts.ts'

/** Limits and leases in Redis, one request for both. @param limits false where they are turned off */
export function createUpstashGate(redis: RedisClient, limits: boolean): Gate {
  return {
    limiter: limits ? createUpstashLimiter(redis) : undefined,
    idempotency: createUpstashIdempotency(redis),
    async enter({ key, events, idempotent }, now) {
      const token = crypto.randomUUID()
      const [bucket, window] = limitKeys(key)
      const keys = [bucket, window, idempotent ? claimKey(idempotent) : window]
      const args = [
        ...limitArgs(key, limits ? events : 0, now),
        ...(idempotent ? claimArgs(idempotent, token) : ['', '', '', '']),
      ]
      const reply = readEntered(await redis.run(ENTER, keys, args))
      return {
        verdict: limits ? verdictOf(redis, reply, key, events, now) : undefined,
        claim: idempotent && claimFrom(redis, reply, idempotent, token, now),
      }
    },
  }
}
