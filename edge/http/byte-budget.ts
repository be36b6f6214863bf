import { LIMITS } from '../../contract/limits.ts'
import { HttpProblem } from './http-problem.ts'

/** A bound on the bytes of decoded bodies in flight; what exceeds it is rejected. */
export interface ByteBudget {
  /** @returns `release`; call it once. @throws OVERLOADED while the budget has no room for so many */
  acquire(bytes: number): () => void
}

/** No request holds its bytes longer than the publisher waits; what is held longer was torn down. */
const HOLD_MS_MAX = LIMITS.publishMsMax + 1_000

/**
 * A body costs some ten times its size while it is parsed, validated and published, and an isolate
 * has 128 MB at the most; without a bound, a log that hangs and a hundred full batches would end it.
 * A request is always admitted while the budget is empty.
 *
 * When a client disconnects, workerd ends its request where it stands: nothing is released, no
 * `finally` runs. So bytes are counted by the time they were acquired, and dropped after one to two
 * HOLD_MS_MAX.
 */
export function createByteBudget(bytesMax: number, now: () => number): ByteBudget {
  let previous = { since: 0, bytes: 0 }
  let current = { since: 0, bytes: 0 }

  return {
    acquire(bytes) {
      const at = now()
      const passed = at - current.since
      if (passed >= HOLD_MS_MAX || passed < 0) {
        previous = passed < 2 * HOLD_MS_MAX ? current : { since: at, bytes: 0 }
        current = { since: at, bytes: 0 }
      }
      const held = previous.bytes + current.bytes
      if (held > 0 && held + bytes > bytesMax)
        throw new HttpProblem('OVERLOADED', { headers: { 'retry-after': '1' } })
      const period = current
      period.bytes += bytes
      return () => {
        period.bytes -= bytes
      }
    },
  }
}
