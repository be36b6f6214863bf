import { LIMITS } from '../../contract/limits.ts'
import { HttpProblem } from './http-problem.ts'

/** A bound on the bytes of bodies in flight; what exceeds it is rejected. */
export interface ByteBudget {
  /**
   * @param shares whose bytes they are: each holds no more than its own part, so that nobody takes all
   * @returns `release`; a second call does nothing. @throws OVERLOADED while there is no room for so many
   */
  acquire(bytes: number, shares?: readonly Share[]): () => void
}

/** The part of a budget that one key, tenant or address may hold. */
export interface Share {
  /** Unique among all kinds, such as "key k1". */
  owner: string
  bytesMax: number
}

/** No request holds its bytes longer than the publisher waits; what is held longer was torn down. */
const HOLD_MS_MAX = LIMITS.publishMsMax + 1_000

/**
 * A body costs some ten times its size while it is parsed, validated and published, and an isolate
 * has 128 MB at the most; without a bound, a log that hangs and a hundred full batches would end it.
 * A request is always admitted while the budget is empty.
 *
 * A request whose client disconnects goes on in every runtime and releases its bytes (in workerd because
 * `waitUntil` holds it). Should a runtime end one where it stands all the same, its bytes are dropped after
 * one to two holdMsMax, because they are counted by the time they were acquired.
 * @param holdMsMax how long a request may hold its bytes
 */
export function createByteBudget(
  bytesMax: number,
  now: () => number,
  holdMsMax: number = HOLD_MS_MAX,
): ByteBudget {
  let previous = createPeriod(0)
  let current = createPeriod(0)

  function roll(): void {
    const at = now()
    const passed = at - current.since
    if (passed < holdMsMax && passed >= 0) return
    previous = passed >= 0 && passed < 2 * holdMsMax ? current : createPeriod(at)
    current = createPeriod(at)
  }

  return {
    acquire(bytes, shares = NO_SHARES) {
      roll()
      const held = previous.bytes + current.bytes
      if (held > 0 && held + bytes > bytesMax) throw overloaded()
      for (const { owner, bytesMax } of shares) {
        const own = heldBy(previous, owner) + heldBy(current, owner)
        if (own > 0 && own + bytes > bytesMax) throw overloaded()
      }
      const period = current
      add(period, bytes, shares)
      let isHeld = true
      return () => {
        if (isHeld) add(period, -bytes, shares)
        isHeld = false
      }
    },
  }
}

const NO_SHARES: readonly Share[] = []

interface Period {
  since: number
  bytes: number
  /** An owner is in it only while it holds something. */
  byOwner: Map<string, number>
}

function createPeriod(since: number): Period {
  return { since, bytes: 0, byOwner: new Map() }
}

function heldBy({ byOwner }: Period, owner: string): number {
  return byOwner.get(owner) ?? 0
}

function add(period: Period, bytes: number, shares: readonly Share[]): void {
  period.bytes += bytes
  for (const { owner } of shares) {
    const own = heldBy(period, owner) + bytes
    if (own > 0) period.byOwner.set(owner, own)
    else period.byOwner.delete(owner)
  }
}

function overloaded(): HttpProblem {
  return new HttpProblem('OVERLOADED', { headers: { 'retry-after': '1' } })
}
