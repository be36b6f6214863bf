import { type KeyRecord, keyRecord } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { TimeoutStrategy } from '../lib/timeout.ts'

/**
 * Finds a key whose form and checksum are valid.
 * @param addressOf the sender's address, read only when the key is not cached yet
 * @throws KEYS_UNAVAILABLE when the directory does not respond, or too many look-ups wait; RATE_LIMITED for an unknown
 * key of an address that sent too many of them; what `addressOf` throws
 */
export type FindKey = (
  apiKey: string,
  addressOf?: () => string | undefined,
) => Promise<KeyRecord | undefined>

/** Keys by the hex SHA-256 of the key. Rejects when it cannot tell whether a key exists. */
export interface KeyDirectory {
  find(sha256Hex: string): Promise<FoundKey | undefined>
}

export interface FoundKey {
  record: KeyRecord
  /** How old the record is, at most; 0 when it comes from core itself. */
  ageMs: number
}

export interface HttpDirectorySettings {
  /** Of the gateway, without a slash at its end. */
  url: string
  username: string
  password: string
}

/** Asks core: `GET {url}/keys/{sha256}`, 200 with a KeyRecord or 404. */
export function createHttpKeyDirectory(
  settings: HttpDirectorySettings,
  withinTimeout: TimeoutStrategy,
): KeyDirectory {
  const headers = { Authorization: `Basic ${btoa(`${settings.username}:${settings.password}`)}` }
  return {
    find: (sha256Hex) =>
      withinTimeout(LIMITS.keyLookupMsMax, async (signal) => {
        const response = await fetch(`${settings.url}/keys/${sha256Hex}`, {
          headers,
          redirect: 'manual',
          signal,
        })
        if (response.status === 200)
          return { record: keyRecord.parse(await response.json()), ageMs: 0 }
        await response.body?.cancel()
        if (response.status === 404) return undefined
        throw new Error(`the key directory responded with ${response.status}`)
      }),
  }
}
