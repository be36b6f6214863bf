import type { KeyRecord } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import { type ByteBudget, createByteBudget, type Share } from './byte-budget.ts'

/** What bodies may hold at each stage of a request. */
export interface Budgets {
  /** Bodies of known keys that are still arriving, as far as they are decoded. */
  reading: ByteBudget
  /** The same of bodies that carry their key themselves. Strangers can fill it, and nothing else. */
  readingUnknown: ByteBudget
  /** Parsed bodies whose key is not in the cache, while it is looked up. Strangers can fill it, and nothing else. */
  unauthenticated: ByteBudget
  /** Bodies of known keys until the log has their events. */
  ingest: ByteBudget
}

export function createBudgets(now: () => number): Budgets {
  return {
    reading: createByteBudget(LIMITS.edgeBytesReadingMax, now, LIMITS.bodyReadMsMax),
    readingUnknown: createByteBudget(LIMITS.edgeBytesReadingUnknownMax, now, LIMITS.bodyReadMsMax),
    unauthenticated: createByteBudget(
      LIMITS.edgeBytesUnauthenticatedMax,
      now,
      LIMITS.lookupWaitMsMax + LIMITS.keyLookupMsMax,
    ),
    ingest: createByteBudget(LIMITS.edgeBytesInFlightMax, now),
  }
}

/** A record lives as long as the key cache keeps it, so its shares cost nothing per request. */
const known = new WeakMap<KeyRecord, readonly Share[]>()

export function sharesOfKey(key: KeyRecord): readonly Share[] {
  const found = known.get(key)
  if (found) return found
  const shares: readonly Share[] = [
    { owner: `key ${key.key_id}`, bytesMax: LIMITS.edgeBytesPerKeyMax },
    { owner: `tenant ${key.tenant}`, bytesMax: LIMITS.edgeBytesPerTenantMax },
  ]
  known.set(key, shares)
  return shares
}

/** @param group of addresses, as `addressGroup` gives it; '' where the runtime knows none */
export function sharesOfAddress(group: string): readonly Share[] {
  return group === '' ? [] : [{ owner: group, bytesMax: LIMITS.edgeBytesPerAddressMax }]
}
