import { type KeyRecord, sha256Hex } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import { rateLimitedProblem } from '../admission/rate-limiter.ts'
import { describeError, HttpProblem, type Report } from '../http/http-problem.ts'
import { BoundedMap } from '../lib/bounded-map.ts'
import { createAddressLimit, TooManyLookupsError } from './address-limit.ts'
import type { FindKey, KeyDirectory } from './key-directory.ts'

interface Known {
  record: KeyRecord
  sha: string
  /** When to ask again. */
  askAt: number
  /** When to trust it no longer, whether the directory answers or not. */
  until: number
}

/**
 * Remembers what the directory said, yes and no, for a while. A revocation is heard of within
 * keyCacheFreshMs; while the directory is silent, within keyCacheFreshMs + keyCacheStaleMs.
 *
 * Only call it with keys whose checksum is right. "No" has a map of its own, because anyone can make
 * up keys with a right checksum, and they must not push out the real ones. Nor may they keep the
 * directory busy: an address that asked for too many in vain is turned away without a look-up.
 */
export function createKeyCache(
  directory: KeyDirectory,
  now: () => number,
  report: Report,
): FindKey {
  const known = new BoundedMap<string, Known>(LIMITS.keyCacheEntriesMax)
  const unknown = new BoundedMap<string, number>(LIMITS.keyCacheEntriesMax)
  const addresses = createAddressLimit()

  /** A key that was good a moment ago is asked for whoever else sends from there. */
  function enter(address: string | undefined, at: number) {
    if (address === undefined) return () => {}
    try {
      return addresses.countLookup(address, at)
    } catch (error) {
      if (error instanceof TooManyLookupsError) throw rateLimitedProblem(error, TOO_MANY_UNKNOWN)
      throw error
    }
  }

  return async (apiKey, addressOf) => {
    const at = now()
    const hit = known.get(apiKey)
    if (hit && at < hit.askAt && at < hit.until) return hit.record
    const unknownUntil = unknown.get(apiKey)
    if (unknownUntil !== undefined && at < unknownUntil) return undefined
    const foundOut = enter(hit ? undefined : addressOf?.(), at)
    // One request asks; those beside it go on with what is known. (Nobody may wait for another
    // request's promise in workerd.)
    if (hit) hit.askAt = at + LIMITS.keyLookupMsMax
    const sha = hit?.sha ?? (await sha256Hex(apiKey))
    try {
      const found = await directory.find(sha)
      if (found) {
        const { record, ageMs } = found
        foundOut()
        unknown.delete(apiKey)
        // Counted from before the question: the answer may be as old as that, or older.
        const freshUntil = at - ageMs + LIMITS.keyCacheFreshMs
        known.set(apiKey, {
          record,
          sha,
          askAt: freshUntil,
          until: freshUntil + LIMITS.keyCacheStaleMs,
        })
      } else {
        known.delete(apiKey)
        unknown.set(apiKey, at + LIMITS.keyCacheUnknownMs)
      }
      return found?.record
    } catch (error) {
      foundOut()
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

const TOO_MANY_UNKNOWN =
  'Too many unknown API keys were sent from this address; send again after Retry-After seconds.'
