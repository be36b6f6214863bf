import { type KeyRecord, keyRecord } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { TimeoutStrategy } from '../lib/timeout.ts'

/**
 * Finds a key whose form and checksum are known to be right.
 * @param addressOf the sender's address, asked for only when the key is not known yet
 * @throws KEYS_UNAVAILABLE when nobody can be asked, RATE_LIMITED when that address asked in vain too often
 */
export type FindKey = (
  apiKey: string,
  addressOf?: () => string | undefined,
) => Promise<KeyRecord | undefined>

/** Who knows the truth about keys, by the hex SHA-256 of the key. Rejects when it cannot tell. */
export interface KeyDirectory {
  find(sha256Hex: string): Promise<FoundKey | undefined>
}

export interface FoundKey {
  record: KeyRecord
  /** How old that is, at most; 0 for who asked the truth itself. */
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
  exchange: TimeoutStrategy,
): KeyDirectory {
  const headers = { Authorization: `Basic ${btoa(`${settings.username}:${settings.password}`)}` }
  return {
    find: (sha256Hex) =>
      exchange(LIMITS.keyLookupMsMax, async (signal) => {
        const response = await fetch(`${settings.url}/keys/${sha256Hex}`, {
          headers,
          redirect: 'manual',
          signal,
        })
        if (response.status === 200)
          return { record: keyRecord.parse(await response.json()), ageMs: 0 }
        await response.body?.cancel()
        if (response.status === 404) return undefined
        throw new Error(`the key directory answered ${response.status}`)
      }),
  }
}
