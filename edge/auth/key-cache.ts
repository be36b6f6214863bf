import { type KeyRecord, sha256Hex } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import { rateLimitedProblem } from '../admission/rate-limiter.ts'
import { HttpProblem } from '../http/http-problem.ts'
import { describeError, type Report } from '../http/report.ts'
import { BoundedMap } from '../lib/bounded-map.ts'
import { type AddressLimit, createAddressLimit, TooManyLookupsError } from './address-limit.ts'
import type { FindKey, FoundKey, KeyDirectory } from './key-directory.ts'

interface CachedKey {
  record: KeyRecord
  sha: string
  /** When to look it up again. */
  refreshAt: number
  /** When to trust it no longer, whether the directory responds or not. */
  until: number
}

/**
 * Caches keys, known and unknown, for a while. A revocation takes effect within keyCacheFreshMs; while
 * the directory does not respond, within keyCacheFreshMs + keyCacheStaleMs.
 *
 * Only call it with keys whose checksum is right. Unknown keys have a map of their own, because anyone
 * can make up keys with a right checksum, and they must not push out the real ones. Nor may they keep
 * the directory busy: an address that sent too many unknown keys is refused without a look-up.
 */
export function createKeyCache(
  directory: KeyDirectory,
  now: () => number,
  report: Report,
): FindKey {
  const known = new BoundedMap<string, CachedKey>(LIMITS.keyCacheEntriesMax)
  const unknown = new BoundedMap<string, number>(LIMITS.keyCacheEntriesMax)
  const addresses = createAddressLimit()

  return async (apiKey, addressOf) => {
    const at = now()
    const hit = known.get(apiKey)
    if (hit && at < hit.refreshAt && at < hit.until) return hit.record
    const unknownUntil = unknown.get(apiKey)
    if (unknownUntil !== undefined && at < unknownUntil) return undefined
    // A key that was valid a moment ago is looked up, whatever else was sent from its address.
    const uncount = countLookup(addresses, hit ? undefined : addressOf?.(), at)
    // One request looks it up; concurrent ones use the cached record. (In workerd no request may wait
    // for another request's promise.)
    if (hit) hit.refreshAt = at + LIMITS.keyLookupMsMax
    const sha = hit?.sha ?? (await sha256Hex(apiKey))
    try {
      const found = await directory.find(sha)
      if (found) {
        uncount()
        unknown.delete(apiKey)
        known.set(apiKey, cachedKey(sha, found, at))
      } else {
        known.delete(apiKey)
        unknown.set(apiKey, at + LIMITS.keyCacheUnknownMs)
      }
      return found?.record
    } catch (error) {
      uncount()
      report({
        level: 'warn',
        what: 'the key directory does not answer',
        error: describeError(error),
      })
      if (hit && now() < hit.until) return hit.record
      throw new HttpProblem('KEYS_UNAVAILABLE', {
        headers: { 'retry-after': String(LIMITS.retryAfterSecondsWithoutLog) },
      })
    }
  }
}

/** @param at when the look-up began: the record may be as old as that, or older */
function cachedKey(sha: string, { record, ageMs }: FoundKey, at: number): CachedKey {
  const freshUntil = at - ageMs + LIMITS.keyCacheFreshMs
  return { record, sha, refreshAt: freshUntil, until: freshUntil + LIMITS.keyCacheStaleMs }
}

/** @returns undoes it. @throws RATE_LIMITED */
function countLookup(addresses: AddressLimit, address: string | undefined, at: number) {
  if (address === undefined) return () => {}
  try {
    return addresses.countLookup(address, at)
  } catch (error) {
    if (error instanceof TooManyLookupsError) throw rateLimitedProblem(error, TOO_MANY_UNKNOWN)
    throw error
  }
}

const TOO_MANY_UNKNOWN =
  'Too many unknown API keys were sent from this address; send again after Retry-After seconds.'
