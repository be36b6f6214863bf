import { sha256Hex } from '../contract/api-key.ts'
import { LIMITS } from '../contract/limits.ts'
import type { EdgeContext, Step } from './context.ts'
import { Refused } from './refuse.ts'
import { respond } from './respond.ts'
import type { Said } from './way.ts'

/**
 * Who has done what already, by tenant and Idempotency-Key. Two phases: a lease before publishing,
 * the answer after it; whoever fails gives the lease back.
 */
export interface Idempotency {
  claim(request: IdempotentRequest, now: number): Promise<Claim>
}

export interface IdempotentRequest {
  tenant: string
  key: string
  /** Of all that decides the outcome: the decoded body, the way it came in and the query. */
  fingerprint: string
}

export type Claim =
  | Lease
  | { is: 'in-flight'; waitMs: number }
  | { is: 'other-body' }
  | { is: 'done'; said: Said }

export interface Lease {
  is: 'ours'
  /** What an earlier try with this key left behind: it published some of its events, not all. */
  kept?: Said
  finish(said: Said, now: number): Promise<void>
  /** Gives it back, and leaves for the next try with this key how far this one came. */
  keep(progress: Said, now: number): Promise<void>
  /** The work goes on: the lease begins anew. */
  renew(now: number): Promise<void>
  release(): Promise<void>
}

/** Have we done this already? Without an Idempotency-Key nobody asked. */
export function claim(idempotency: Idempotency, now: () => number): Step {
  return async (c, next) => {
    const header = c.req.raw.headers.get('idempotency-key')
    if (header === null) return next()
    const key = readIdempotencyKey(header)
    c.set('idempotencyKey', key)
    const { tenant } = c.get('key')
    const fingerprint = await fingerprintOf(c)
    const found = await idempotency.claim({ tenant, key, fingerprint }, now())
    if (found.is === 'other-body') throw new Refused('IDEMPOTENCY_KEY_REUSED')
    if (found.is === 'in-flight') throw inFlight(found)
    if (found.is === 'done') {
      c.get('headers')['idempotency-replayed'] = 'true'
      return respond(c, found.said)
    }
    await next()
    // Only success is remembered: what was refused may be sent again and is judged anew.
    const said = c.get('said')
    if (said !== undefined) await found.finish(said, now())
    else await found.release()
  }
}

export function inFlight({ waitMs }: { waitMs: number }): Refused {
  return new Refused('IDEMPOTENCY_IN_FLIGHT', {
    headers: { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) },
  })
}

/** Both spellings in use: `"abc"`, as the IETF draft has it, and bare `abc`. They are the same key. */
export function readIdempotencyKey(header: string): string {
  const sent = header.trim()
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(sent)?.[1]
  const key = quoted?.replace(/\\(["\\])/g, '$1') ?? sent
  if (quoted === undefined && sent.startsWith('"')) throw new Refused('IDEMPOTENCY_KEY_INVALID')
  if (key.length > LIMITS.idempotencyKeyCharsMax || !/^[\x21-\x7e]+$/.test(key))
    throw new Refused('IDEMPOTENCY_KEY_INVALID')
  return key
}

async function fingerprintOf(c: EdgeContext): Promise<string> {
  const { beside } = c.get('incoming')
  const body = await sha256Hex(c.get('bytes'))
  // Hashed as well: headers may be long, and a fingerprint is kept for half an hour.
  const rest = beside === undefined ? '' : ` ${await sha256Hex(beside)}`
  return `${c.get('way').route} ${c.get('historical') ? 'historical ' : ''}${body}${rest}`
}
