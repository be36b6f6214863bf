import { expect, it } from 'vitest'
import { type KeyRecord, mintApiKey, sha256Hex } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { KeyDirectory } from '../auth/key-directory.ts'
import type { StubGateway } from './stub-gateway.ts'

export interface DirectoryWorld {
  directory: KeyDirectory
  /** Core: it knows the truth. */
  gateway: StubGateway
  /** Where there are copies, puts one there as core does it. @param ageMs since core last compared all of them */
  publish?(sha: string, record: KeyRecord, ageMs: number): Promise<void>
}

/** What every directory of keys promises, wherever its answers come from. */
export function keyDirectorySuite(get: () => DirectoryWorld): void {
  /** A key that core knows, and the copies, too. */
  async function add(given: Partial<KeyRecord> = {}, ageMs = 0) {
    const { gateway, publish } = get()
    const { key, record } = gateway.addKey(given)
    const sha = await sha256Hex(key)
    await publish?.(sha, record, ageMs)
    return { sha, record }
  }
  const ask = (sha: string) => get().directory.find(sha)

  it('all that core knows of a key is told, good or not', async () => {
    const records: Partial<KeyRecord>[] = [
      {},
      { kind: 'pub', origins: ['https://shop.example', 'https://*.shop.example'] },
      { kind: 'adm', scopes: ['ingest', 'read', 'admin'], may_import_history: true },
      { tenant: 'žluť 🐎', schema_versions: ['1', '2'], key_events_per_minute: 1 },
      { expires_at: '2020-01-01T00:00:00Z', revoked_at: '2019-01-01T00:00:00.123456Z' },
    ]
    for (const given of records) {
      const { sha, record } = await add(given)
      const found = await ask(sha)
      expect(found?.record).toEqual(record)
      expect(found?.ageMs).toBeGreaterThanOrEqual(0)
      expect(found?.ageMs).toBeLessThan(LIMITS.keyCacheFreshMs)
    }
  })

  it('a key that core does not know is none, and is known once core knows it', async () => {
    expect(await ask(await sha256Hex(mintApiKey('sec')))).toBeUndefined()
    const { gateway } = get()
    const { key, record } = gateway.addKey()
    const sha = await sha256Hex(key)
    gateway.keyMoods.push({ status: 404 })
    expect(await ask(sha)).toBeUndefined()
    expect(await ask(sha)).toEqual({ record, ageMs: 0 })
  })

  it('who asks at once is told of the key that was asked for', async () => {
    const keys = await Promise.all(Array.from({ length: 30 }, () => add()))
    const found = await Promise.all(keys.map(({ sha }) => ask(sha)))
    expect(found.map((each) => each?.record.key_id)).toEqual(
      keys.map(({ record }) => record.key_id),
    )
  })

  it.each([0, 5_000, 14_000, 15_000, 600_000])(
    'an answer from before a revocation says that it is as old as that: %d ms',
    async (ageMs) => {
      const { sha, record } = await add({}, ageMs)
      record.revoked_at = new Date(Date.now() - ageMs).toISOString()
      const found = await ask(sha)
      if (found?.record.revoked_at) return
      expect(found?.ageMs).toBeGreaterThanOrEqual(ageMs)
      expect(found?.ageMs).toBeLessThan(LIMITS.keyCacheFreshMs)
    },
  )

  it.each(['break-off', 'not-json', { status: 503 }, { status: 401 }] as const)(
    'who cannot tell says so, and not that there is no such key: %j',
    async (mood) => {
      const { gateway } = get()
      const { key } = gateway.addKey()
      const sha = await sha256Hex(key)
      gateway.keyMoods.push(mood)
      await expect(ask(sha)).rejects.toThrow()
      expect(await ask(sha)).toBeDefined()
    },
  )

  it('nobody waits for an answer longer than agreed', async () => {
    const { gateway } = get()
    const { key } = gateway.addKey()
    gateway.keyMoods.push('hang')
    await expect(ask(await sha256Hex(key))).rejects.toThrow()
  })

  it('what has another form than agreed is not handed on', async () => {
    const { sha } = await add({ scopes: 'ingest' } as never)
    await expect(ask(sha)).rejects.toThrow()
  })
}
