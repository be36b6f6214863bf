import { expect, it } from 'vitest'
import { type KeyRecord, mintApiKey, sha256Hex } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { KeyDirectory } from '../auth/key-directory.ts'
import type { StubGateway } from './stub-gateway.ts'

export interface DirectoryHarness {
  directory: KeyDirectory
  /** Core, the authority on keys. */
  gateway: StubGateway
  /** Writes a copy as core does, where the directory reads copies. @param ageMs since core last compared all copies */
  publish?(sha: string, record: KeyRecord, ageMs: number): Promise<void>
}

/** What every key directory promises, whatever its source. */
export function keyDirectorySuite(get: () => DirectoryHarness): void {
  /** Adds a key to core and to the copies. */
  async function add(changes: Partial<KeyRecord> = {}, ageMs = 0) {
    const { gateway, publish } = get()
    const { key, record } = gateway.addKey(changes)
    const sha = await sha256Hex(key)
    await publish?.(sha, record, ageMs)
    return { sha, record }
  }
  const lookUp = (sha: string) => get().directory.find(sha)

  it('the directory returns the whole record of a key, whether the key is valid or not', async () => {
    const records: Partial<KeyRecord>[] = [
      {},
      { kind: 'pub', origins: ['https://shop.example', 'https://*.shop.example'] },
      { kind: 'pub', allowed_events: ['a', 'b'], allowed_properties: [] },
      { kind: 'adm', scopes: ['ingest', 'read', 'admin'], may_import_history: true },
      { tenant: 'žluť 🐎', schema_versions: ['1', '2'], key_events_per_minute: 1 },
      { expires_at: '2020-01-01T00:00:00Z', revoked_at: '2019-01-01T00:00:00.123456Z' },
    ]
    for (const given of records) {
      const { sha, record } = await add(given)
      const found = await lookUp(sha)
      expect(found?.record).toEqual(record)
      expect(found?.ageMs).toBeGreaterThanOrEqual(0)
      expect(found?.ageMs).toBeLessThan(LIMITS.keyCacheFreshMs)
    }
  })

  it('the directory does not find a key that core does not know, and finds it once core knows it', async () => {
    expect(await lookUp(await sha256Hex(mintApiKey('sec')))).toBeUndefined()
    const { gateway } = get()
    const { key, record } = gateway.addKey()
    const sha = await sha256Hex(key)
    gateway.keyFaults.push({ status: 404 })
    expect(await lookUp(sha)).toBeUndefined()
    expect(await lookUp(sha)).toEqual({ record, ageMs: 0 })
  })

  it('concurrent look-ups each return the record of their key', async () => {
    const keys = await Promise.all(Array.from({ length: 30 }, () => add()))
    const found = await Promise.all(keys.map(({ sha }) => lookUp(sha)))
    expect(found.map((result) => result?.record.key_id)).toEqual(
      keys.map(({ record }) => record.key_id),
    )
  })

  it.each([0, 5_000, 14_000, 15_000, 600_000])(
    'a record from before a revocation reports an age of at least the time since: %d ms',
    async (ageMs) => {
      const { sha, record } = await add({}, ageMs)
      record.revoked_at = new Date(Date.now() - ageMs).toISOString()
      const found = await lookUp(sha)
      if (found?.record.revoked_at) return
      expect(found?.ageMs).toBeGreaterThanOrEqual(ageMs)
      expect(found?.ageMs).toBeLessThan(LIMITS.keyCacheFreshMs)
    },
  )

  it.each(['break-off', 'not-json', { status: 503 }, { status: 401 }] as const)(
    'a failed look-up throws instead of reporting an unknown key: %j',
    async (fault) => {
      const { gateway } = get()
      const { key } = gateway.addKey()
      const sha = await sha256Hex(key)
      gateway.keyFaults.push(fault)
      await expect(lookUp(sha)).rejects.toThrow()
      expect(await lookUp(sha)).toBeDefined()
    },
  )

  it('a look-up without a response times out', async () => {
    const { gateway } = get()
    const { key } = gateway.addKey()
    gateway.keyFaults.push('hang')
    await expect(lookUp(await sha256Hex(key))).rejects.toThrow()
  })

  it('the directory throws for a record of another form', async () => {
    const { sha } = await add({ scopes: 'ingest' } as never)
    await expect(lookUp(sha)).rejects.toThrow()
  })
}
