import { LIMITS } from '../contract/limits.ts'
import type { Claim, Idempotency, Lease } from './claim.ts'
import type { Gate } from './gate.ts'
import type { Limiter, Verdict } from './limit.ts'
import { describe, Refused, type Report } from './refuse.ts'

/**
 * What holds while Redis is away, said by whoever runs the edge:
 * open: everybody is let in, without limits and leases (event ids still make repetitions harmless);
 * local: each process counts and leases for itself; closed: 503.
 */
export type WithoutRedis = 'open' | 'local' | 'closed'
export const WITHOUT_REDIS: readonly WithoutRedis[] = ['open', 'local', 'closed']

export interface WithoutRedisDeps {
  redis: Gate
  /** This process's own. */
  local: Gate
  policy: WithoutRedis
  now: () => number
  report: Report
}

/**
 * Redis' gate, and the policy where Redis does not answer. After a failure Redis is left alone for
 * LIMITS.redisPauseMs, so that a Redis that hangs costs one request a second its deadline, not each.
 * Two lines in the log tell of an outage: when it began, and what it came to.
 */
export function createGateWithoutRedis({
  redis,
  local,
  policy,
  now,
  report,
}: WithoutRedisDeps): Gate {
  /** Requests that went by the policy, and what could not be written down behind an answer. */
  const counts = { without: 0, forgotten: 0 }
  let down: { since: number; askAt: number; without: number } | undefined

  function failed(error: unknown): void {
    if (!down) {
      down = { since: now(), askAt: 0, without: 0 }
      report({
        level: 'warn',
        what: `Redis does not answer; WITHOUT_REDIS=${policy} holds`,
        error: describe(error),
      })
    }
    down.askAt = now() + LIMITS.redisPauseMs
  }

  function answered(): void {
    if (!down) return
    const { since, without } = down
    down = undefined
    const seconds = Math.round((now() - since) / 1000)
    report({
      level: 'warn',
      what: `Redis is back after ${seconds} s; ${without} requests went without it (${policy})`,
    })
  }

  async function ask<T>(question: () => Promise<T>, instead: () => Promise<T>): Promise<T> {
    const outage = down
    if (!outage || now() >= outage.askAt) {
      // One tries; those beside it do not wait for what comes of it.
      if (outage) outage.askAt = now() + LIMITS.redisPauseMs
      try {
        const answer = await question()
        // Not what was asked before the outage and answered late.
        if (outage) answered()
        return answer
      } catch (error) {
        failed(error)
      }
    }
    counts.without++
    if (down) down.without++
    if (policy === 'closed')
      throw new Refused('LIMITER_UNAVAILABLE', {
        headers: { 'retry-after': '2', 'sluice-degraded': 'redis;policy=closed' },
      })
    return instead()
  }

  /** Behind an answer: the events are in the log, and no failure here may say otherwise. */
  async function afterwards(work: () => Promise<void>): Promise<void> {
    try {
      if (!down) return await work()
    } catch (error) {
      failed(error)
    }
    counts.forgotten++
  }

  const kept = (verdict: Verdict): Verdict => ({
    ...verdict,
    giveBack: () => afterwards(verdict.giveBack),
  })
  const keptClaim = (claim: Claim): Claim =>
    claim.is !== 'ours'
      ? claim
      : {
          is: 'ours',
          kept: claim.kept,
          finish: (said, at) => afterwards(() => claim.finish(said, at)),
          keep: (progress, at) => afterwards(() => claim.keep(progress, at)),
          renew: (at) => afterwards(() => claim.renew(at)),
          release: () => afterwards(() => claim.release()),
        }

  const instead = policy === 'open' ? OPEN : local
  const degraded = policy === 'open' ? 'open' : 'local'
  const { limiter } = redis

  return {
    limiter: limiter && {
      take: (key, events, at) =>
        ask(
          async () => kept(await limiter.take(key, events, at)),
          async () => ({ ...(await (instead.limiter as Limiter).take(key, events, at)), degraded }),
        ),
    },
    idempotency: {
      claim: (request, at) =>
        ask(
          async () => keptClaim(await redis.idempotency.claim(request, at)),
          async () => ({ ...(await instead.idempotency.claim(request, at)), degraded }),
        ),
    },
    enter: (asked, at) =>
      ask(
        async () => {
          const { verdict, claim } = await redis.enter(asked, at)
          return { verdict: verdict && kept(verdict), claim: claim && keptClaim(claim) }
        },
        async () => {
          const { verdict, claim } = await instead.enter(asked, at)
          return {
            verdict: limiter && verdict && { ...verdict, degraded },
            claim: claim && { ...claim, degraded },
          }
        },
      ),
    health: () => ({
      redis: { up: !down, policy, requests_without: counts.without, forgotten: counts.forgotten },
    }),
  }
}

const nothing = async () => {}
const letIn: Limiter = {
  take: async () => ({ allowed: true, waitMs: 0, policies: [], giveBack: nothing }),
}
const free: Lease = { is: 'ours', finish: nothing, keep: nothing, renew: nothing, release: nothing }
const lend: Idempotency = { claim: async () => free }

const OPEN: Gate = {
  limiter: letIn,
  idempotency: lend,
  enter: async ({ key, events, idempotent }, now) => ({
    verdict: await letIn.take(key, events, now),
    claim: idempotent && free,
  }),
}
