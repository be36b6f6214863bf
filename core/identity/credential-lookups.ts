import { ApiError } from '../lib/api-error.ts'
import { createSemaphore } from '../lib/semaphore.ts'
import { createTokenBuckets } from '../lib/token-buckets.ts'

/** Look-ups of keys and sessions, throttled for those who send unknown ones. */
export interface CredentialLookups {
  /**
   * What the directory has for the hash; an unknown hash is not looked up again for a few seconds.
   * @param address of the client; without one nothing is counted
   * @throws TOO_MANY_ATTEMPTS after many unknown credentials from this address; never for one that was good lately
   */
  find<T>(
    hash: string,
    address: string | undefined,
    lookUp: () => Promise<T | undefined>,
  ): Promise<T | undefined>
}

const LOOKUP_LIMITS = {
  /** Unknown credentials that one address may send. */
  unknownPerMinute: 60,
  /** Nobody can guess a credential and send it before it exists, so "unknown" may be remembered. */
  unknownMs: 10_000,
  goodMs: 600_000,
  /** Hashes that are remembered of each kind. */
  hashesMax: 10_000,
  /** Beyond its limit an address shares one look-up at a time with all others beyond theirs. */
  throttledMs: 1_000,
  throttledMax: 50,
} as const

export function createCredentialLookups(now = () => performance.now()): CredentialLookups {
  const unknown = createRecent(LOOKUP_LIMITS.unknownMs, now)
  const good = createRecent(LOOKUP_LIMITS.goodMs, now)
  const addresses = createTokenBuckets({ perMinute: LOOKUP_LIMITS.unknownPerMinute, now })
  const throttled = createSemaphore(1)

  async function lookUpThrottled<T>(lookUp: () => Promise<T>): Promise<T> {
    const release =
      throttled.waiting < LOOKUP_LIMITS.throttledMax &&
      (await throttled.tryAcquire(1, LOOKUP_LIMITS.throttledMs))
    if (!release) throw new ApiError('TOO_MANY_ATTEMPTS')
    try {
      return await lookUp()
    } finally {
      release()
    }
  }

  return {
    async find(hash, address, lookUp) {
      if (unknown.has(hash)) {
        if (address !== undefined) addresses.take(address)
        return undefined
      }
      const isOverLimit = address !== undefined && !addresses.has(address) && !good.has(hash)
      const found = await (isOverLimit ? lookUpThrottled(lookUp) : lookUp())
      if (found !== undefined) {
        good.add(hash)
        return found
      }
      unknown.add(hash)
      if (address !== undefined) addresses.take(address)
      return undefined
    },
  }
}

/** A bounded set whose members leave after `ms`. */
function createRecent(ms: number, now: () => number) {
  const until = new Map<string, number>()
  return {
    has: (hash: string) => (until.get(hash) ?? Number.NEGATIVE_INFINITY) > now(),
    add(hash: string) {
      until.delete(hash)
      if (until.size >= LOOKUP_LIMITS.hashesMax) until.delete(until.keys().next().value as string)
      until.set(hash, now() + ms)
    },
  }
}
