import { HttpProblem } from '../../http/http-problem.ts'
import type { Admission, AdmissionResult } from '../admission.ts'
import type { BeginResult, IdempotencyStore, Lock } from '../idempotency.ts'
import type { Degraded, RateLimiter, RateLimitResult } from '../rate-limiter.ts'
import type { WatchedRedis } from './redis-outage.ts'

/**
 * What holds while Redis is away, configured by the operator:
 * fail-open: every request is admitted, without limits and locks (event ids still make repetitions
 * harmless); local: each process limits and locks for itself; fail-closed: 503.
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
  /** In this process's memory. */
  local: Admission
  policy: RedisFailurePolicy
}

/** The admission on Redis, and what the policy says where Redis does not respond. */
export function createFailoverAdmission(deps: FailoverDeps): Admission {
  const { admission, redis, policy } = deps
  const { counts } = redis
  const fallback = policy === 'fail-open' ? FAIL_OPEN : deps.local
  const degraded: Degraded = policy === 'fail-open' ? 'fail-open' : 'local'
  const guarded = guardLateErrors(counts)

  async function failOver<T>(work: () => Promise<T>, otherwise: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch {
      // `watchRedis` has reported it.
      counts.without++
      if (policy !== 'fail-closed') return otherwise()
      throw new HttpProblem('LIMITER_UNAVAILABLE', {
        headers: { 'retry-after': '2', 'sluice-degraded': 'redis;policy=fail-closed' },
      })
    }
  }

  const { rateLimiter } = admission
  return {
    rateLimiter: rateLimiter && {
      limit: (key, cost, now) =>
        failOver(
          async () => guarded.rateLimit(await rateLimiter.limit(key, cost, now)),
          async () => ({
            ...(await (fallback.rateLimiter as RateLimiter).limit(key, cost, now)),
            degraded,
          }),
        ),
    },
    idempotency: {
      begin: (request, now) =>
        failOver(
          async () => guarded.begun(await admission.idempotency.begin(request, now)),
          async () => ({ ...(await fallback.idempotency.begin(request, now)), degraded }),
        ),
    },
    admit: (request, now) =>
      failOver(
        async () => guarded.admission(await admission.admit(request, now)),
        async () => {
          const { rateLimit, begun } = await fallback.admit(request, now)
          return {
            rateLimit: rateLimiter && rateLimit && { ...rateLimit, degraded },
            begun: begun && { ...begun, degraded },
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

/** After publishing, the events are in the log: a failure of Redis then is counted, and fails no request. */
function guardLateErrors(counts: WatchedRedis['counts']) {
  async function guard(work: () => Promise<void>): Promise<void> {
    await work().catch(() => {
      counts.forgotten++
    })
  }
  const rateLimit = (result: RateLimitResult): RateLimitResult => ({
    ...result,
    refund: () => guard(result.refund),
  })
  const begun = (result: BeginResult): BeginResult =>
    result.kind !== 'acquired'
      ? result
      : {
          kind: 'acquired',
          checkpoint: result.checkpoint,
          complete: (response, now) => guard(() => result.complete(response, now)),
          saveCheckpoint: (progress, now) => guard(() => result.saveCheckpoint(progress, now)),
          renew: (now) => guard(() => result.renew(now)),
          release: () => guard(() => result.release()),
        }
  const admission = (result: AdmissionResult): AdmissionResult => ({
    rateLimit: result.rateLimit && rateLimit(result.rateLimit),
    begun: result.begun && begun(result.begun),
  })
  return { rateLimit, begun, admission }
}

const nothing = async () => {}
const unlimited: RateLimiter = {
  limit: async () => ({ allowed: true, waitMs: 0, policies: [], refund: nothing }),
}
const unlocked: Lock = {
  kind: 'acquired',
  complete: nothing,
  saveCheckpoint: nothing,
  renew: nothing,
  release: nothing,
}
const unstored: IdempotencyStore = { begin: async () => unlocked }

const FAIL_OPEN: Admission = {
  rateLimiter: unlimited,
  idempotency: unstored,
  admit: async ({ key, cost, idempotency }, now) => ({
    rateLimit: await unlimited.limit(key, cost, now),
    begun: idempotency && unlocked,
  }),
}
