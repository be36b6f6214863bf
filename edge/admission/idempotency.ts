import type { TrustClass } from '../../contract/event/trust-class.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { ResponseSpec } from '../formats/ingest-format.ts'
import { HttpProblem } from '../http/http-problem.ts'
import type { Degraded } from './rate-limiter.ts'

/**
 * Requests that were done already, by tenant, trust class and Idempotency-Key. Two phases: a lock before
 * publishing, the stored response after it; a request that fails releases the lock.
 */
export interface IdempotencyStore {
  begin(request: IdempotentRequest, now: number): Promise<BeginResult>
}

export interface IdempotentRequest {
  tenant: string
  /** The same key of another class is another one: neither blocks the other nor gets its response. */
  trust: TrustClass
  key: string
  /** Of all that decides the outcome: the decoded body, the format and the query. */
  fingerprint: string
}

export type BeginResult =
  | Lock
  | ({ kind: 'in-flight'; waitMs: number } & MaybeDegraded)
  | ({ kind: 'mismatch' } & MaybeDegraded)
  | ({ kind: 'completed'; response: ResponseSpec } & MaybeDegraded)

interface MaybeDegraded {
  /** Redis was away, and the failure policy decided. */
  degraded?: Degraded
}

export interface Lock extends MaybeDegraded {
  kind: 'acquired'
  /** What an earlier try with this key left behind: it published some of its events, not all. */
  checkpoint?: ResponseSpec
  complete(response: ResponseSpec, now: number): Promise<void>
  /** Releases the lock, and leaves for the next try with this key how far this one came. */
  saveCheckpoint(progress: ResponseSpec, now: number): Promise<void>
  /** The work goes on: the lock's time starts again. */
  renew(now: number): Promise<void>
  release(): Promise<void>
}

/** The publisher gives up first; only a request that was torn down holds its lock to the end. */
export function waitForLock(lockedAt: number, until: number, now: number): number {
  const published = lockedAt + LIMITS.publishMsMax - now
  return published > 0 ? published : until - now
}

export function inFlightProblem({ waitMs }: { waitMs: number }): HttpProblem {
  return new HttpProblem('IDEMPOTENCY_IN_FLIGHT', {
    headers: { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) },
  })
}
