import { sha256Hex } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { ResponseSpec } from '../formats/ingest-format.ts'
import type { EdgeContext } from '../http/context.ts'
import { HttpProblem } from '../http/http-problem.ts'
import type { Degraded } from './rate-limiter.ts'

/**
 * Who has done what already, by tenant and Idempotency-Key. Two phases: a lease before publishing,
 * the answer after it; whoever fails gives the lease back.
 */
export interface IdempotencyStore {
  begin(request: IdempotentRequest, now: number): Promise<BeginResult>
}

export interface IdempotentRequest {
  tenant: string
  key: string
  /** Of all that decides the outcome: the decoded body, the way it came in and the query. */
  fingerprint: string
}

export type BeginResult =
  | Lock
  | ({ kind: 'in-flight'; waitMs: number } & MaybeDegraded)
  | ({ kind: 'mismatch' } & MaybeDegraded)
  | ({ kind: 'completed'; said: ResponseSpec } & MaybeDegraded)

interface MaybeDegraded {
  /** Redis was not there, and this came of a policy. */
  degraded?: Degraded
}

export interface Lock extends MaybeDegraded {
  kind: 'acquired'
  /** What an earlier try with this key left behind: it published some of its events, not all. */
  checkpoint?: ResponseSpec
  complete(said: ResponseSpec, now: number): Promise<void>
  /** Gives it back, and leaves for the next try with this key how far this one came. */
  saveCheckpoint(progress: ResponseSpec, now: number): Promise<void>
  /** The work goes on: the lease begins anew. */
  renew(now: number): Promise<void>
  release(): Promise<void>
}

/** What the client asks to be done once; undefined without an Idempotency-Key. @throws IDEMPOTENCY_KEY_INVALID */
export async function readIdempotentRequest(
  c: EdgeContext,
): Promise<IdempotentRequest | undefined> {
  const header = c.req.raw.headers.get('idempotency-key')
  // An image cannot send one.
  if (header === null || c.req.method !== 'POST') return undefined
  const key = readIdempotencyKey(header)
  c.set('idempotencyKey', key)
  return { tenant: c.get('key').tenant, key, fingerprint: await fingerprintOf(c) }
}

/** The publisher gives up first; only a request that died without a word holds on to the end of its lease. */
export function waitForLock(leasedAt: number, until: number, now: number): number {
  const published = leasedAt + LIMITS.publishMsMax - now
  return published > 0 ? published : until - now
}

export function inFlightProblem({ waitMs }: { waitMs: number }): HttpProblem {
  return new HttpProblem('IDEMPOTENCY_IN_FLIGHT', {
    headers: { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) },
  })
}

/** Both spellings in use: `"abc"`, as the IETF draft has it, and bare `abc`. They are the same key. */
export function readIdempotencyKey(header: string): string {
  const sent = header.trim()
  const quoted = /^"((?:[^"\\]|\\["\\])*)"$/.exec(sent)?.[1]
  const key = quoted?.replace(/\\(["\\])/g, '$1') ?? sent
  if (quoted === undefined && sent.startsWith('"')) throw new HttpProblem('IDEMPOTENCY_KEY_INVALID')
  if (key.length > LIMITS.idempotencyKeyCharsMax || !/^[\x21-\x7e]+$/.test(key))
    throw new HttpProblem('IDEMPOTENCY_KEY_INVALID')
  return key
}

async function fingerprintOf(c: EdgeContext): Promise<string> {
  const { fingerprintExtra: beside } = c.get('incoming')
  const body = await sha256Hex(c.get('bytes'))
  // Hashed as well: headers may be long, and a fingerprint is kept for half an hour.
  const rest = beside === undefined ? '' : ` ${await sha256Hex(beside)}`
  return `${c.get('way').route} ${c.get('historical') ? 'historical ' : ''}${body}${rest}`
}
