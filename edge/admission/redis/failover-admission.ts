import { HttpProblem } from '../../http/http-problem.ts'
import type { Admission } from '../admission.ts'
import type { BeginResult, IdempotencyStore, Lock } from '../idempotency.ts'
import type { Degraded, RateLimiter, RateLimitResult } from '../rate-limiter.ts'
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

export interface FailoverDeps {
  /** On that Redis. */
  admission: Admission
  redis: Pick<WatchedRedis, 'up' | 'counts'>
  /** This process's own. */
  local: Admission
  policy: RedisFailurePolicy
}

/** The gate on Redis, and what the policy says where Redis does not answer. */
export function createFailoverAdmission({
  admission: gate,
  redis,
  local,
  policy,
}: FailoverDeps): Admission {
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
      throw new HttpProblem('LIMITER_UNAVAILABLE', {
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

  const kept = (verdict: RateLimitResult): RateLimitResult => ({
    ...verdict,
    refund: () => afterwards(verdict.refund),
  })
  const keptClaim = (claim: BeginResult): BeginResult =>
    claim.kind !== 'acquired'
      ? claim
      : {
          kind: 'acquired',
          checkpoint: claim.checkpoint,
          complete: (said, at) => afterwards(() => claim.complete(said, at)),
          saveCheckpoint: (progress, at) => afterwards(() => claim.saveCheckpoint(progress, at)),
          renew: (at) => afterwards(() => claim.renew(at)),
          release: () => afterwards(() => claim.release()),
        }

  const { rateLimiter: limiter } = gate
  return {
    rateLimiter: limiter && {
      limit: (key, events, at) =>
        ask(
          async () => kept(await limiter.limit(key, events, at)),
          async () => ({
            ...(await (instead.rateLimiter as RateLimiter).limit(key, events, at)),
            degraded,
          }),
        ),
    },
    idempotency: {
      begin: (request, at) =>
        ask(
          async () => keptClaim(await gate.idempotency.begin(request, at)),
          async () => ({ ...(await instead.idempotency.begin(request, at)), degraded }),
        ),
    },
    admit: (asked, at) =>
      ask(
        async () => {
          const { rateLimit: verdict, begun: claim } = await gate.admit(asked, at)
          return { rateLimit: verdict && kept(verdict), begun: claim && keptClaim(claim) }
        },
        async () => {
          const { rateLimit: verdict, begun: claim } = await instead.admit(asked, at)
          return {
            rateLimit: limiter && verdict && { ...verdict, degraded },
            begun: claim && { ...claim, degraded },
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
const letIn: RateLimiter = {
  limit: async () => ({ allowed: true, waitMs: 0, policies: [], refund: nothing }),
}
const free: Lock = {
  kind: 'acquired',
  complete: nothing,
  saveCheckpoint: nothing,
  renew: nothing,
  release: nothing,
}
const lend: IdempotencyStore = { begin: async () => free }

const OPEN: Admission = {
  rateLimiter: letIn,
  idempotency: lend,
  admit: async ({ key, cost: events, idempotency: idempotent }, now) => ({
    rateLimit: await letIn.limit(key, events, now),
    begun: idempotent && free,
  }),
}
