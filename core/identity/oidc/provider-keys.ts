import { createLocalJWKSet, errors, type JWTVerifyGetKey } from 'jose'
import { type GuardedFetch, ProviderUnavailableError } from './guarded-fetch.ts'

export interface ProviderKeysOptions {
  url: string
  fetch: GuardedFetch
  /** Within this time keys are not fetched again, whatever unknown key a token names. */
  cooldownMs: number
  /** Monotonic: a clock that is set back must not hold new keys off. jose's own cache goes by Date.now(). */
  now: () => number
}

const KEYS_MS = 600_000

/**
 * The public keys of a provider: fetched when they are needed first, every ten minutes, and for a key that is unknown.
 * @returns what jose asks for the key of a token; rejects with ProviderUnavailableError
 */
export function createProviderKeys({
  url,
  fetch,
  cooldownMs,
  now,
}: ProviderKeysOptions): JWTVerifyGetKey {
  let current: { find: JWTVerifyGetKey; at: number } | undefined
  let fetching: Promise<JWTVerifyGetKey> | undefined

  async function request(): Promise<JWTVerifyGetKey> {
    const response = await fetch(url, { headers: { accept: 'application/json' } })
    if (!response.ok)
      throw new ProviderUnavailableError(`its keys: the status is ${response.status}`)
    try {
      const find = createLocalJWKSet(JSON.parse(await response.text()))
      current = { find, at: now() }
      return find
    } catch (cause) {
      throw new ProviderUnavailableError('its keys are not a JSON Web Key Set', { cause })
    }
  }

  /** One request at a time, whoever waits for it. */
  function reload(): Promise<JWTVerifyGetKey> {
    fetching ??= request().finally(() => {
      fetching = undefined
    })
    return fetching
  }

  return async (header, token) => {
    const isKnown = current !== undefined && now() - current.at < KEYS_MS
    const find = isKnown ? (current as { find: JWTVerifyGetKey }).find : await reload()
    try {
      return await find(header, token)
    } catch (error) {
      const isUnknownKey = error instanceof errors.JWKSNoMatchingKey
      if (!isUnknownKey || !current || now() - current.at < cooldownMs) throw error
      return (await reload())(header, token)
    }
  }
}
