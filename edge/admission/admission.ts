import type { KeyRecord } from '../../contract/api-key.ts'
import type { EdgeContext, Step } from '../http/context.ts'
import { Refused } from '../http/http-problem.ts'
import { respond } from '../http/respond.ts'
import {
  type Claim,
  claimOf,
  type Idempotency,
  type IdempotentRequest,
  inFlight,
  type Lease,
} from './idempotency.ts'
import {
  degradedHeaders,
  headersFor,
  type Limiter,
  mostOf,
  overLimit,
  tooMany,
  type Verdict,
} from './rate-limiter.ts'

/**
 * Who may go on: limits and leases behind one door, because where they are kept elsewhere every
 * question is a journey, and one journey answers both.
 */
export interface Gate {
  /** undefined where limits are turned off */
  limiter: Limiter | undefined
  idempotency: Idempotency
  /** A lease only for what is allowed; and nothing is taken for what does not get its lease. */
  enter(asked: Asked, now: number): Promise<Entered>
  /** What /healthz says beside `status`; nothing where there is nothing that can be away. */
  health?(): Record<string, unknown>
}

export interface Asked {
  key: KeyRecord
  events: number
  /** When the client sent an Idempotency-Key. */
  idempotent: IdempotentRequest | undefined
}

export interface Entered {
  /** undefined where limits are turned off */
  verdict: Verdict | undefined
  /** undefined when nobody asked, or the limits said no */
  claim: Claim | undefined
}

/** Both kept in places that answer at once. */
export function createGate(limiter: Limiter | undefined, idempotency: Idempotency): Gate {
  return {
    limiter,
    idempotency,
    async enter({ key, events, idempotent }, now) {
      const verdict = await limiter?.take(key, events, now)
      if (!idempotent || verdict?.allowed === false) return { verdict, claim: undefined }
      const claim = await idempotency.claim(idempotent, now)
      if (claim.is !== 'ours') await verdict?.giveBack()
      return { verdict, claim }
    },
  }
}

/** May they send this many now, and have we done this already? */
export function enter(gate: Gate, now: () => number): Step {
  return async (c, next) => {
    const key = c.get('key')
    const events = c.get('incoming').items.length
    if (gate.limiter && events > mostOf(key)) throw overLimit(c.get('way'), events, mostOf(key))
    const idempotent = await claimOf(c)
    if (!gate.limiter && !idempotent) return next()
    const { verdict, claim } = await ask(gate, { key, events, idempotent }, now())
    if (verdict) Object.assign(c.get('headers'), await headersFor(verdict, key))
    if (claim) Object.assign(c.get('headers'), degradedHeaders(claim))
    if (verdict && !verdict.allowed) throw tooMany(verdict, undefined, c.get('way').overRate)
    if (claim && claim.is !== 'ours') return answerFor(c, claim)
    await next()
    await settle(c, verdict, claim, now)
  }
}

async function ask(gate: Gate, asked: Asked, now: number): Promise<Entered> {
  try {
    return await gate.enter(asked, now)
  } catch (error) {
    if (error instanceof Refused) throw error
    throw new Refused('LIMITER_UNAVAILABLE', { headers: { 'retry-after': '2' } })
  }
}

function answerFor(c: EdgeContext, claim: Exclude<Claim, Lease>): Response {
  if (claim.is === 'other-body') throw new Refused('IDEMPOTENCY_KEY_REUSED')
  if (claim.is === 'in-flight') throw inFlight(claim)
  c.get('headers')['idempotency-replayed'] = 'true'
  return respond(c, claim.said)
}

async function settle(
  c: EdgeContext,
  verdict: Verdict | undefined,
  lease: Lease | undefined,
  now: () => number,
): Promise<void> {
  const said = c.get('said')
  await Promise.all([
    // A log that did not confirm costs nothing.
    c.res.status >= 500 ? verdict?.giveBack() : undefined,
    // Only success is remembered: what was refused may be sent again and is judged anew.
    said !== undefined ? lease?.finish(said, now()) : lease?.release(),
  ])
}
