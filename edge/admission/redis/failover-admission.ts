import { Refused } from '../../http/http-problem.ts'
import type { Gate } from '../admission.ts'
import type { Claim, Idempotency, Lease } from '../idempotency.ts'
import type { Degraded, Limiter, Verdict } from '../rate-limiter.ts'
import type { WatchedRedis } from './redis-outage.ts'

/**
 * What holds while Redis is away, said by whoever runs the edge:
 * open: everybody is let in, without limits and leases (event ids still make repetitions harmless);
 * local: each process counts and leases for itself; closed: 503.
 */
export type RedisFailurePolicy = 'fail-open' | 'local' | 'fail-closed'
export const REDIS_FAILURE_POLICIES: readonly RedisFailurePolicy[] = [
  'fail-open',
  'local',
  'fail-closed',
]

export interface WithoutRedisDeps {
  /** On that Redis. */
  gate: Gate
  redis: Pick<WatchedRedis, 'up' | 'counts'>
  /** This process's own. */
  local: Gate
  policy: RedisFailurePolicy
}

/** The gate on Redis, and what the policy says where Redis does not answer. */
export function createFailoverAdmission({ gate, redis, local, policy }: WithoutRedisDeps): Gate {
  const { counts } = redis
  const instead = policy === 'fail-open' ? OPEN : local
  const degraded: Degraded = policy === 'fail-open' ? 'fail-open' : 'local'

  async function ask<T>(question: () => Promise<T>, otherwise: () => Promise<T>): Promise<T> {
    try {
      return await question()
    } catch {
      // The watch has told of it.
      counts.without++
      if (policy !== 'fail-closed') return otherwise()
      throw new Refused('LIMITER_UNAVAILABLE', {
        headers: { 'retry-after': '2', 'sluice-degraded': 'redis;policy=fail-closed' },
      })
    }
  }

  /** Behind an answer: the events are in the log, and no failure here may say otherwise. */
  async function afterwards(work: () => Promise<void>): Promise<void> {
    await work().catch(() => {
      counts.forgotten++
    })
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

  const { limiter } = gate
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
          async () => keptClaim(await gate.idempotency.claim(request, at)),
          async () => ({ ...(await instead.idempotency.claim(request, at)), degraded }),
        ),
    },
    enter: (asked, at) =>
      ask(
        async () => {
          const { verdict, claim } = await gate.enter(asked, at)
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
      redis: {
        up: redis.up,
        policy,
        requests_without: counts.without,
        forgotten: counts.forgotten,
      },
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
