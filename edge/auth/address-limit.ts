import { addressGroup } from '../../contract/address-group.ts'
import { LIMITS } from '../../contract/limits.ts'
import { BoundedMap } from '../lib/bounded-map.ts'

/** How many unknown keys one address may have looked up. Keys that are cached are not counted. */
export interface AddressLimit {
  /**
   * Counts one look-up before it starts, because a thousand may run concurrently.
   * @returns undoes that, when the key exists or the directory did not respond
   * @throws TooManyLookupsError
   */
  countLookup(address: string, now: number): () => void
  /** Refuses the address for so many ms: other edges counted too many unknown keys of it. */
  exhaust(address: string, waitMs: number, now: number): void
}

export class TooManyLookupsError extends Error {
  readonly waitMs: number

  constructor(waitMs: number) {
    super('too many look-ups')
    this.name = 'TooManyLookupsError'
    this.waitMs = waitMs
  }
}

const WINDOW_MS = 60_000
const LOOKUP_MS = WINDOW_MS / LIMITS.unknownKeysPerMinuteMax

/**
 * A bucket that refills evenly, kept as one number per address: the time at which it will be full again
 * (the generic cell rate algorithm, ITU-T I.371).
 */
export function createAddressLimit(entriesMax: number = LIMITS.limiterEntriesMax): AddressLimit {
  const fullAt = new BoundedMap<string, number>(entriesMax)
  return {
    countLookup(address, now) {
      const group = addressGroup(address)
      const full = Math.max(fullAt.get(group) ?? now, now)
      const waitMs = full + LOOKUP_MS - (now + WINDOW_MS)
      if (waitMs > 0) throw new TooManyLookupsError(waitMs)
      fullAt.set(group, full + LOOKUP_MS)
      return () => {
        const later = fullAt.get(group)
        if (later !== undefined) fullAt.set(group, later - LOOKUP_MS)
      }
    },
    exhaust(address, waitMs, now) {
      fullAt.set(addressGroup(address), now + WINDOW_MS - LOOKUP_MS + waitMs)
    },
  }
}

/** Look-ups beyond an address's limit, one after the other. */
export interface LookupQueue {
  /** @returns how many ms to wait for this look-up's turn; undefined when too many wait already */
  enter(address: string, now: number): number | undefined
}

/**
 * Whether a key is made up is known only after its look-up, so a good key that comes from the address of a
 * flood must be looked up too. It gets a turn: one look-up each LIMITS.lookupOverLimitMs for an address and
 * each LIMITS.lookupOverLimitAnyMs for all of them, and nobody waits for longer than LIMITS.lookupWaitMsMax.
 */
export function createLookupQueue(entriesMax: number = LIMITS.limiterEntriesMax): LookupQueue {
  const nextOf = new BoundedMap<string, number>(entriesMax)
  let nextOfAny = 0
  return {
    enter(address, now) {
      const group = addressGroup(address)
      const own = turnAt(nextOf.get(group) ?? 0, LIMITS.lookupOverLimitMs, now)
      const any = turnAt(nextOfAny, LIMITS.lookupOverLimitAnyMs, now)
      const waitMs = Math.max(own, any) - now
      if (waitMs > LIMITS.lookupWaitMsMax) return undefined
      nextOf.set(group, own + LIMITS.lookupOverLimitMs)
      nextOfAny = any + LIMITS.lookupOverLimitAnyMs
      return waitMs
    },
  }
}

/** Nobody waits for a clock that was set back: a turn that is further away than any can be is forgotten. */
function turnAt(next: number, stepMs: number, now: number): number {
  return next > now + LIMITS.lookupWaitMsMax + stepMs ? now : Math.max(now, next)
}
