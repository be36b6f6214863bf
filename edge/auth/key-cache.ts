import { addressGroup } from '../../contract/address-group.ts'
import { type KeyRecord, sha256Hex } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import { rateLimitedProblem } from '../admission/rate-limiter.ts'
import { HttpProblem } from '../http/http-problem.ts'
import { describeError, type Report } from '../http/report.ts'
import { BoundedMap } from '../lib/bounded-map.ts'
import { createAddressLimit, createLookupQueue, TooManyLookupsError } from './address-limit.ts'
import type { FindKey, FoundKey, KeyDirectory } from './key-directory.ts'
import type { SharedUnknownKeys } from './shared-unknown-keys.ts'

interface CachedKey {
  record: KeyRecord
  sha: string
  /** When to look it up again. */
  refreshAt: number
  /** When to trust it no longer, whether the directory responds or not. */
  until: number
}

export interface KeyCacheDeps {
  directory: KeyDirectory
  now: () => number
  report: Report
  /** Without it each process counts unknown keys for itself. */
  sharedUnknownKeys?: SharedUnknownKeys | undefined
  /** For so many ms. */
  wait?: (ms: number) => Promise<unknown>
}

/**
 * Caches keys, known and unknown, for a while. A revocation takes effect within keyCacheFreshMs; while
 * the directory does not respond, within keyCacheFreshMs + keyCacheStaleMs.
 *
 * Only call it with keys whose checksum is right. Unknown keys have a map of their own, because anyone
 * can make up keys with a right checksum, and they must not push out the real ones. Nor may they keep
 * the directory busy: beyond LIMITS.unknownKeysPerMinuteMax of an address, look-ups wait for their turn
 * (`createLookupQueue`). After it a good key is let in as ever, and only a key that proved unknown gets
 * RATE_LIMITED: nobody's made-up keys turn somebody else's good key into a 429, which some clients drop
 * events on. When too many wait, the response is a 503, which every client retries.
 */
export function createKeyCache({
  directory,
  now,
  report,
  sharedUnknownKeys,
  wait = sleep,
}: KeyCacheDeps): FindKey {
  const known = new BoundedMap<string, CachedKey>(LIMITS.keyCacheEntriesMax)
  const unknown = new BoundedMap<string, number>(LIMITS.keyCacheEntriesMax)
  const limitLookup = createLookupLimit(wait, sharedUnknownKeys)

  return async (apiKey, addressOf) => {
    const at = now()
    const hit = known.get(apiKey)
    if (hit && at < hit.refreshAt && at < hit.until) return hit.record
    const unknownUntil = unknown.get(apiKey)
    if (unknownUntil !== undefined && at < unknownUntil) return undefined
    // A key that was valid a moment ago is looked up, whatever else was sent from its address.
    const { uncount, exceeded, countUnknown } = hit
      ? UNLIMITED
      : await limitLookup(addressOf?.(), at)
    // Another request may have looked it up while this one waited.
    const meanwhile = exceeded && known.get(apiKey)
    if (meanwhile && now() < meanwhile.refreshAt) return meanwhile.record
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
        unknown.set(apiKey, now() + LIMITS.keyCacheUnknownMs)
        if (exceeded) throw rateLimitedProblem(exceeded, TOO_MANY_UNKNOWN)
        await countUnknown(now())
      }
      return found?.record
    } catch (error) {
      if (error instanceof HttpProblem) throw error
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

interface LimitedLookup {
  uncount(): void
  /** Counts the key with those of other edges. */
  countUnknown(at: number): Promise<void>
  /** The address is over its limit: what an unknown key is refused with. */
  exceeded?: TooManyLookupsError
}

const UNLIMITED: LimitedLookup = { uncount() {}, async countUnknown() {} }

/** Counts a look-up, or waits for its turn. @throws KEYS_UNAVAILABLE when too many wait */
function createLookupLimit(
  wait: (ms: number) => Promise<unknown>,
  shared: SharedUnknownKeys | undefined,
) {
  const addresses = createAddressLimit()
  const queue = createLookupQueue()
  return async (address: string | undefined, at: number): Promise<LimitedLookup> => {
    if (address === undefined) return UNLIMITED
    async function countUnknown(now: number): Promise<void> {
      const waitMs = (await shared?.count(addressGroup(address as string))) ?? 0
      if (waitMs > 0) addresses.exhaust(address as string, waitMs, now)
    }
    try {
      return { uncount: addresses.countLookup(address, at), countUnknown }
    } catch (exceeded) {
      if (!(exceeded instanceof TooManyLookupsError)) throw exceeded
      const waitMs = queue.enter(address, at)
      if (waitMs === undefined)
        throw new HttpProblem('KEYS_UNAVAILABLE', {
          detail: TOO_MANY_WAIT,
          headers: { 'retry-after': '1' },
        })
      await wait(waitMs)
      return { ...UNLIMITED, exceeded }
    }
  }
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const TOO_MANY_WAIT =
  'Too many API keys from this address wait to be looked up; send again after Retry-After seconds.'
const TOO_MANY_UNKNOWN =
  'Too many unknown API keys were sent from this address; send again after Retry-After seconds.'
