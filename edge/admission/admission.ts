import type { KeyRecord } from '../../contract/api-key.ts'
import type { EdgeContext, Middleware } from '../http/context.ts'
import { HttpProblem } from '../http/http-problem.ts'
import { respond } from '../http/respond.ts'
import {
  type BeginResult,
  type IdempotencyStore,
  type IdempotentRequest,
  inFlightProblem,
  type Lock,
  readIdempotentRequest,
} from './idempotency.ts'
import {
  degradedHeaders,
  maxBatch,
  overLimitProblem,
  type RateLimiter,
  type RateLimitResult,
  rateLimitedProblem,
  rateLimitHeaders,
} from './rate-limiter.ts'

/**
 * Who may go on: limits and leases behind one door, because where they are kept elsewhere every
 * question is a journey, and one journey answers both.
 */
export interface Admission {
  /** undefined where limits are turned off */
  rateLimiter: RateLimiter | undefined
  idempotency: IdempotencyStore
  /** A lease only for what is allowed; and nothing is taken for what does not get its lease. */
  admit(asked: AdmissionRequest, now: number): Promise<AdmissionResult>
  /** What /healthz says beside `status`; nothing where there is nothing that can be away. */
  health?(): Record<string, unknown>
}

export interface AdmissionRequest {
  key: KeyRecord
  cost: number
  /** When the client sent an Idempotency-Key. */
  idempotency: IdempotentRequest | undefined
}

export interface AdmissionResult {
  /** undefined where limits are turned off */
  rateLimit: RateLimitResult | undefined
  /** undefined when nobody asked, or the limits said no */
  begun: BeginResult | undefined
}

/** Both kept in places that answer at once. */
export function createAdmission(
  limiter: RateLimiter | undefined,
  idempotency: IdempotencyStore,
): Admission {
  return {
    rateLimiter: limiter,
    idempotency,
    async admit({ key, cost: events, idempotency: idempotent }, now) {
      const verdict = await limiter?.limit(key, events, now)
      if (!idempotent || verdict?.allowed === false) return { rateLimit: verdict, begun: undefined }
      const claim = await idempotency.begin(idempotent, now)
      if (claim.kind !== 'acquired') await verdict?.refund()
      return { rateLimit: verdict, begun: claim }
    },
  }
}

/** May they send this many now, and have we done this already? */
export function admitRequest(gate: Admission, now: () => number): Middleware {
  return async (c, next) => {
    const key = c.get('key')
    const events = c.get('incoming').items.length
    if (gate.rateLimiter && events > maxBatch(key))
      throw overLimitProblem(c.get('way'), events, maxBatch(key))
    const idempotent = await readIdempotentRequest(c)
    if (!gate.rateLimiter && !idempotent) return next()
    const { rateLimit: verdict, begun: claim } = await ask(
      gate,
      { key, cost: events, idempotency: idempotent },
      now(),
    )
    if (verdict) Object.assign(c.get('headers'), await rateLimitHeaders(verdict, key))
    if (claim) Object.assign(c.get('headers'), degradedHeaders(claim))
    if (verdict && !verdict.allowed)
      throw rateLimitedProblem(verdict, undefined, c.get('way').rateLimitedCode)
    if (claim && claim.kind !== 'acquired') return answerFor(c, claim)
    await next()
    await completeAdmission(c, verdict, claim, now)
  }
}

async function ask(
  gate: Admission,
  asked: AdmissionRequest,
  now: number,
): Promise<AdmissionResult> {
  try {
    return await gate.admit(asked, now)
  } catch (error) {
    if (error instanceof HttpProblem) throw error
    throw new HttpProblem('LIMITER_UNAVAILABLE', { headers: { 'retry-after': '2' } })
  }
}

function answerFor(c: EdgeContext, claim: Exclude<BeginResult, Lock>): Response {
  if (claim.kind === 'mismatch') throw new HttpProblem('IDEMPOTENCY_KEY_REUSED')
  if (claim.kind === 'in-flight') throw inFlightProblem(claim)
  c.get('headers')['idempotency-replayed'] = 'true'
  return respond(c, claim.said)
}

async function completeAdmission(
  c: EdgeContext,
  verdict: RateLimitResult | undefined,
  lease: Lock | undefined,
  now: () => number,
): Promise<void> {
  const said = c.get('said')
  await Promise.all([
    // A log that did not confirm costs nothing.
    c.res.status >= 500 ? verdict?.refund() : undefined,
    // Only success is remembered: what was refused may be sent again and is judged anew.
    said !== undefined ? lease?.complete(said, now()) : lease?.release(),
  ])
}
