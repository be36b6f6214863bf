import { LIMITS } from '../../../contract/limits.ts'
import { describeError, type Report } from '../../http/http-problem.ts'
import { type RedisClient, RedisError, TooLargeForRedis } from './redis.ts'

/** Redis, and how this process stands with it. */
export interface WatchedRedis extends RedisClient {
  readonly up: boolean
  /** Since the start: requests that went without it, and what could not be written down behind an answer. */
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
 * After a failure Redis is left alone for LIMITS.redisPauseMs, whoever asks; then one question finds
 * out. So a Redis that hangs costs one request a second its deadline, and not each. Two lines in the
 * log tell of an outage: when it began, and what it came to.
 */
export function watchRedis({ redis, now, report, policy }: WatchDeps): WatchedRedis {
  const counts = { without: 0, forgotten: 0 }
  let down: { since: number; askAt: number; withoutBefore: number } | undefined

  async function ask<T>(question: () => Promise<T>): Promise<T> {
    const outage = down
    if (outage) {
      if (now() < outage.askAt) throw new RedisError('Redis is left alone for a moment')
      // One tries; those beside it do not wait for what comes of it.
      outage.askAt = now() + LIMITS.redisPauseMs
    }
    try {
      const answer = await question()
      // Not what was asked before the outage and answered late.
      if (outage && outage === down) recovered()
      return answer
    } catch (error) {
      if (!(error instanceof TooLargeForRedis)) failed(error)
      throw error
    }
  }

  function failed(error: unknown): void {
    if (!down) {
      down = { since: now(), askAt: 0, withoutBefore: counts.without }
      report({
        level: 'warn',
        what: `Redis does not answer; SLUICE_REDIS_FAILURE_POLICY=${policy} holds`,
        error: describeError(error),
      })
    }
    down.askAt = now() + LIMITS.redisPauseMs
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
    run: (...args) => ask(() => redis.run(...args)),
    get: (...keys) => ask(() => redis.get(...keys)),
    counts,
    get up() {
      return !down
    },
  }
}
