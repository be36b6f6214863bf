import { LIMITS } from '../../contract/limits.ts'
import { HttpProblem } from './http-problem.ts'

/** How much may be worked on at once, in bytes of decoded bodies. */
export interface ByteBudget {
  /** @returns how to leave; call it once. @throws OVERLOADED when there is no room for so much */
  acquire(bytes: number): () => void
}

/** Nobody stays longer than the publisher waits; whoever is counted longer than this is gone. */
const STAY_MS_MAX = LIMITS.publishMsMax + 1_000

/**
 * A body costs some ten times its size while it is parsed, judged and published, and an isolate has
 * 128 MB at the most; without a bound, a log that hangs and a hundred full batches would end it.
 * Whoever is alone always gets in.
 *
 * When a client goes away, workerd ends its request where it stands: nobody leaves, no `finally`
 * runs. So visitors are counted by the time they came, and forgotten after one to two stays.
 */
export function createByteBudget(bytesMax: number, now: () => number): ByteBudget {
  let before = { since: 0, bytes: 0 }
  let lately = { since: 0, bytes: 0 }

  return {
    acquire(bytes) {
      const at = now()
      const passed = at - lately.since
      if (passed >= STAY_MS_MAX || passed < 0) {
        before = passed < 2 * STAY_MS_MAX ? lately : { since: at, bytes: 0 }
        lately = { since: at, bytes: 0 }
      }
      const taken = before.bytes + lately.bytes
      if (taken > 0 && taken + bytes > bytesMax)
        throw new HttpProblem('OVERLOADED', { headers: { 'retry-after': '1' } })
      const visit = lately
      visit.bytes += bytes
      return () => {
        visit.bytes -= bytes
      }
    },
  }
}
