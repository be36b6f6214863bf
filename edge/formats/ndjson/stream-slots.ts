import { LIMITS } from '../../../contract/limits.ts'
import { HttpProblem } from '../../http/http-problem.ts'

/** The streams that are open, by key. */
export interface StreamSlots {
  /** @throws TOO_MANY_STREAMS when the key has LIMITS.ndjsonStreamsPerKeyMax of them */
  open(keyId: string): StreamSlot
}

export interface StreamSlot {
  /** The stream lives. Called whenever something was read or waited for. */
  renew(): void
  close(): void
}

/**
 * How long a slot lives without a sign. A stream renews it at least every bodyReadMsMax, plus what publishing,
 * the byte budget and Redis take. Runtimes may end a request where it stands, and then nobody closes its slot.
 */
const SLOT_MS = LIMITS.bodyReadMsMax + 4 * LIMITS.publishMsMax

export function createStreamSlots(now: () => number): StreamSlots {
  /** When each slot was renewed. A key is in it only while it has a slot, and only known keys get one. */
  const byKey = new Map<string, Set<{ renewedAt: number }>>()

  return {
    open(keyId) {
      const at = now()
      const slots = byKey.get(keyId) ?? new Set()
      for (const slot of slots) if (at - slot.renewedAt > SLOT_MS) slots.delete(slot)
      if (slots.size >= LIMITS.ndjsonStreamsPerKeyMax)
        throw new HttpProblem('TOO_MANY_STREAMS', { headers: { 'retry-after': '5' } })
      const slot = { renewedAt: at }
      slots.add(slot)
      byKey.set(keyId, slots)
      return {
        renew() {
          slot.renewedAt = now()
        },
        close() {
          slots.delete(slot)
          if (slots.size === 0 && byKey.get(keyId) === slots) byKey.delete(keyId)
        },
      }
    },
  }
}
