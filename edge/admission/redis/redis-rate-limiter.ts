import * as z from 'zod/mini'
import type { KeyRecord } from '../../../contract/api-key.ts'
import { REDIS_KEYS } from '../../../contract/redis-rest.ts'
import { policiesOf, quotasOf, waitFor } from '../allowance.ts'
import type { RateLimiter, RateLimitResult } from '../rate-limiter.ts'
import type { RedisClient } from './redis.ts'
import { ADMIT, REFUND } from './scripts.ts'

/**
 * The limits in Redis, for edges in many places: what the memory's do, to the event and the millisecond.
 *
 * Not by @upstash/ratelimit's own algorithms (it runs on our bridge, see core/gateway): a batch that its
 * window refuses is counted all the same, bucket and window are two decisions, the wait is that to the
 * next refill and not the one that is needed, and a Redis that is late is a yes.
 */
export function createRedisRateLimiter(redis: RedisClient): RateLimiter {
  return {
    async limit(key, events, now) {
      const [bucket, window] = rateLimitKeys(key)
      const args = [...rateLimitArgs(key, events, now), '', '', '', '']
      const reply = await redis.run(ADMIT, [bucket, window, window], args)
      return rateLimitResult(redis, parseAdmitReply(reply), key, events, now)
    },
  }
}

export function rateLimitKeys(key: KeyRecord): [bucket: string, window: string] {
  return [REDIS_KEYS.bucket(key.tenant, key.key_id), REDIS_KEYS.window(key.tenant)]
}

/** The first four of ENTER's arguments. */
export function rateLimitArgs(key: KeyRecord, events: number, now: number): number[] {
  const { bucketMax, windowMax } = quotasOf(key)
  return [now, events, bucketMax, windowMax]
}

export type AdmitReply = z.infer<typeof admitReply>

const count = z.number()
const admitReply = z.tuple([
  count,
  count,
  count,
  count,
  count,
  count,
  z.enum(['', 'acquired', 'in-flight', 'mismatch', 'completed']),
  // Text that looks like JSON has been parsed by the client.
  z.unknown(),
  count,
  count,
])

/** @throws when Redis answers something else than our script does */
export function parseAdmitReply(reply: unknown): AdmitReply {
  return admitReply.parse(reply)
}

export function rateLimitResult(
  redis: RedisClient,
  [allowed, fill, at, start, previous, current, is]: AdmitReply,
  key: KeyRecord,
  events: number,
  now: number,
): RateLimitResult {
  const bucket = { fill, at }
  const window = { start, previous, current }
  const quotas = quotasOf(key)
  const taken = allowed === 1 && (is === '' || is === 'acquired')
  return {
    allowed: allowed === 1,
    waitMs: allowed === 1 ? 0 : waitFor(bucket, window, quotas, events, now),
    policies: policiesOf(bucket, window, quotas, now),
    async refund() {
      if (taken) await redis.run(REFUND, rateLimitKeys(key), [events, quotas.bucketMax, start])
    },
  }
}
