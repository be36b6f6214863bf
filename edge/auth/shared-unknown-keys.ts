import { Ratelimit } from '@upstash/ratelimit'
import { LIMITS } from '../../contract/limits.ts'
import { REDIS_KEYS } from '../../contract/redis-rest.ts'
import type { RedisClient } from '../admission/redis/redis.ts'

/** Counts the keys of an address that proved unknown, by all edges of one Redis together. */
export interface SharedUnknownKeys {
  /**
   * @param group of addresses, by `addressGroup`
   * @returns for how many ms the group is over the limit; 0 while it is not
   * @throws RedisError
   */
  count(group: string): Promise<number>
}

/**
 * @upstash/ratelimit's sliding window. It counts refused requests too, which is wrong for batches of events
 * (docs/adr/0013-redis.md) and right for somebody who guesses keys.
 */
export function createSharedUnknownKeys(redis: RedisClient, now: () => number): SharedUnknownKeys {
  const ratelimit = new Ratelimit({
    redis: scriptsOn(redis),
    limiter: Ratelimit.slidingWindow(LIMITS.unknownKeysPerMinuteMax, '60 s'),
    prefix: REDIS_KEYS.unknownKeys,
    // Addresses are blocked in the bounded map of `createAddressLimit`; this one would grow without a limit.
    ephemeralCache: false,
    // The library's own would call a slow Redis a yes; our client has a deadline.
    timeout: 0,
    enableTelemetry: false,
  })
  return {
    async count(group) {
      // Braces: both windows of a group are on one node of a cluster.
      const { success, reset } = await ratelimit.limit(`{${group}}`)
      return success ? 0 : Math.max(1, reset - now())
    },
  }
}

/** The part of @upstash/redis that the library calls, over our client with its deadline and its circuit breaker. */
function scriptsOn(redis: RedisClient): ConstructorParameters<typeof Ratelimit>[0]['redis'] {
  const texts = new Map<string, string>()
  const client = {
    async evalsha(sha: string, keys: string[], args: (string | number)[]) {
      const text = texts.get(sha)
      // The library then calls `eval`, which tells us the text.
      if (text === undefined) throw new Error('NOSCRIPT')
      return redis.run({ text, sha }, keys, args)
    },
    async eval(text: string, keys: string[], args: (string | number)[]) {
      const script: { text: string; sha?: string } = { text }
      const result = await redis.run(script, keys, args)
      if (script.sha !== undefined) texts.set(script.sha, text)
      return result
    },
  }
  return client as unknown as ConstructorParameters<typeof Ratelimit>[0]['redis']
}
