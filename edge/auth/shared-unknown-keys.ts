import { Ratelimit } from '@upstash/ratelimit'
import { LIMITS } from '../../contract/limits.ts'
import { REDIS_KEYS } from '../../contract/redis-rest.ts'
import type { RedisClient } from '../admission/redis/redis.ts'
import { describeError, type Report } from '../http/report.ts'

/** Counts the keys of an address that proved unknown, by all edges of one Redis together. */
export interface SharedUnknownKeys {
  /**
   * @param group of addresses, by `addressGroup`
   * @returns for how many ms the group is over the limit; 0 while it is not, or Redis does not count
   */
  count(group: string): Promise<number>
}

/** After a failure Redis is not asked: each edge counts for itself meanwhile. */
const PAUSE_MS = 10_000

/**
 * @upstash/ratelimit's sliding window. It has a pause of its own: anybody can send unknown keys, so a count that fails
 * (a Redis user without the right to it, say) must not make the edge do without Redis for limits and locks.
 */
export function createSharedUnknownKeys(
  redis: RedisClient,
  now: () => number,
  report: Report,
): SharedUnknownKeys {
  let pausedUntil = Number.NEGATIVE_INFINITY
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
      if (now() < pausedUntil) return 0
      try {
        // Braces: both windows of a group are on one node of a cluster.
        const { success, reset } = await ratelimit.limit(`{${group}}`)
        return success ? 0 : Math.max(1, reset - now())
      } catch (error) {
        pausedUntil = now() + PAUSE_MS
        const what = 'unknown keys are counted by this edge alone: Redis refused or did not answer'
        report({ level: 'warn', what, error: describeError(error) })
        return 0
      }
    },
  }
}

/** The part of @upstash/redis that the library calls, over our client with its deadline. */
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
