import { LIMITS } from '../../../contract/limits.ts'
import { describeError, type Report } from '../../http/report.ts'
import { type RedisClient, RedisError, TooLargeForRedisError } from './redis.ts'

/** Redis, and whether this process reaches it. */
export interface WatchedRedis extends RedisClient {
  readonly up: boolean
  /** Since the start: requests handled without Redis, and writes after a response that were lost. */
  readonly counts: { without: number; forgotten: number }
}

export interface WatchDeps {
  redis: RedisClient
  now: () => number
  report: Report
  /** What holds meanwhile, for the log. */
  policy: string
}

/**
 * A circuit breaker: after a failure no request asks Redis for LIMITS.redisPauseMs; then one probes it.
 * So a Redis that hangs costs one request a second its deadline, and not each. Two lines in the log
 * report an outage: when it began, and what it came to.
 */
export function watchRedis({ redis, now, report, policy }: WatchDeps): WatchedRedis {
  const counts = { without: 0, forgotten: 0 }
  let down: { since: number; probeAt: number; withoutBefore: number } | undefined

  async function watch<T>(work: () => Promise<T>): Promise<T> {
    const outage = down
    if (outage) {
      if (now() < outage.probeAt) throw new RedisError('Redis is not asked during the pause')
      // One probes; concurrent requests do not wait for its result.
      outage.probeAt = now() + LIMITS.redisPauseMs
    }
    try {
      const result = await work()
      // Not a request from before the outage whose response came late.
      if (outage && outage === down) recovered()
      return result
    } catch (error) {
      if (!(error instanceof TooLargeForRedisError)) failed(error)
      throw error
    }
  }

  function failed(error: unknown): void {
    if (!down) {
      down = { since: now(), probeAt: 0, withoutBefore: counts.without }
      report({
        level: 'warn',
        what: `Redis does not answer; SLUICE_REDIS_FAILURE_POLICY=${policy} holds`,
        error: describeError(error),
      })
    }
    down.probeAt = now() + LIMITS.redisPauseMs
  }

  function recovered(): void {
    if (!down) return
    const seconds = Math.round((now() - down.since) / 1000)
    const without = counts.without - down.withoutBefore
    down = undefined
    report({
      level: 'warn',
      what: `Redis is back after ${seconds} s; ${without} requests went without it (${policy})`,
    })
  }

  return {
    run: (...args) => watch(() => redis.run(...args)),
    get: (...keys) => watch(() => redis.get(...keys)),
    counts,
    get up() {
      return !down
    },
  }
}
