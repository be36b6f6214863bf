import * as z from 'zod/mini'
import type { KeyRecord } from '../../../contract/api-key.ts'
import { REDIS_KEYS } from '../../../contract/redis-rest.ts'
import { policiesOf, quotasOf, waitFor } from '../allowance.ts'
import type { Limiter, Verdict } from '../rate-limiter.ts'
import type { RedisClient } from './redis.ts'
import { ENTER, GIVE_BACK } from './scripts.ts'

/**
 * The limits in Redis, for edges in many places: what the memory's do, to the event and the millisecond.
 *
 * Not by @upstash/ratelimit's own algorithms (it runs on our bridge, see core/gateway): a batch that its
 * window refuses is counted all the same, bucket and window are two decisions, the wait is that to the
 * next refill and not the one that is needed, and a Redis that is late is a yes.
 */
export function createUpstashLimiter(redis: RedisClient): Limiter {
  return {
    async take(key, events, now) {
      const [bucket, window] = limitKeys(key)
      const args = [...limitArgs(key, events, now), '', '', '', '']
      const reply = await redis.run(ENTER, [bucket, window, window], args)
      return verdictOf(redis, readEntered(reply), key, events, now)
    },
  }
}

export function limitKeys(key: KeyRecord): [bucket: string, window: string] {
  return [REDIS_KEYS.bucket(key.tenant, key.key_id), REDIS_KEYS.window(key.tenant)]
}

/** The first four of ENTER's arguments. */
export function limitArgs(key: KeyRecord, events: number, now: number): number[] {
  const { bucketMax, windowMax } = quotasOf(key)
  return [now, events, bucketMax, windowMax]
}

export type EnterReply = z.infer<typeof enterReply>

const count = z.number()
const enterReply = z.tuple([
  count,
  count,
  count,
  count,
  count,
  count,
  z.enum(['', 'ours', 'in-flight', 'other-body', 'done']),
  // Text that looks like JSON has been parsed by the client.
  z.unknown(),
  count,
  count,
])

/** @throws when Redis answers something else than our script does */
export function readEntered(reply: unknown): EnterReply {
  return enterReply.parse(reply)
}

export function verdictOf(
  redis: RedisClient,
  [allowed, fill, at, start, previous, current, is]: EnterReply,
  key: KeyRecord,
  events: number,
  now: number,
): Verdict {
  const bucket = { fill, at }
  const window = { start, previous, current }
  const quotas = quotasOf(key)
  const taken = allowed === 1 && (is === '' || is === 'ours')
  return {
    allowed: allowed === 1,
    waitMs: allowed === 1 ? 0 : waitFor(bucket, window, quotas, events, now),
    policies: policiesOf(bucket, window, quotas, now),
    async giveBack() {
      if (taken) await redis.run(GIVE_BACK, limitKeys(key), [events, quotas.bucketMax, start])
    },
  }
}
