import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { keyRecord as keyRecordSchema, looksLikeApiKey } from '../../contract/api-key.ts'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { createKey, listKeys, revokeKey } from './api-keys.ts'
import { createKeyUseRecorder, findKeyRecord, isUsable } from './key-directory.ts'
import { mintLoginLink, redeemLoginLink } from './login-links.ts'
import { endSession, isSessionValid } from './sessions.ts'
import { setKey } from './set-key.ts'
import { createTenant, listTenants, setTenant } from './tenants.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url)
  await createTenant(db, { tenant: 'default' })
})
afterAll(async () => {
  await db.destroy()
  await database.drop()
})

const hashOf = (key: string) => createHash('sha256').update(key).digest('hex')

describe('API keys', () => {
  test('a new key is found by its hash, with the default limits, and is not stored itself', async () => {
    const { key, keyId, displayPrefix } = await createKey(db, {
      tenant: 'default',
      name: 'shop',
      scopes: ['ingest', 'read'],
    })
    expect(looksLikeApiKey(key)).toBe(true)
    expect(displayPrefix).toBe(key.slice(0, 12))
    const record = await findKeyRecord(db, hashOf(key))
    expect(record).toEqual({
      key_id: keyId,
      tenant: 'default',
      kind: 'sec',
      scopes: ['ingest', 'read'],
      origins: [],
      key_events_per_minute: 100,
      tenant_events_per_minute: 300,
      may_import_history: false,
      event_age_max_s: 2_592_000,
      schema_versions: null,
      allowed_events: null,
      allowed_properties: null,
      expires_at: null,
      revoked_at: null,
    })
    expect(keyRecordSchema.parse(record)).toEqual(record)
    const { rows } = await database.pool.query('SELECT api_key::text AS row FROM api_key')
    expect(JSON.stringify(rows)).not.toContain(key)
    expect(JSON.stringify(await listKeys(db))).not.toContain(key)
  })

  test('a key has the properties that it was created with', async () => {
    await createTenant(db, { tenant: 'busy', eventsPerMinute: 5_000, eventAgeMaxS: 60 })
    const { key } = await createKey(db, {
      tenant: 'busy',
      name: 'page',
      kind: 'pub',
      scopes: ['ingest'],
      origins: ['https://shop.example'],
      eventsPerMinute: 7,
      mayImportHistory: true,
      expiresAt: new Date('2030-01-01T00:00:00Z'),
    })
    expect(key).toMatch(/^slc_pub_/)
    expect(await findKeyRecord(db, hashOf(key))).toMatchObject({
      tenant: 'busy',
      kind: 'pub',
      origins: ['https://shop.example'],
      key_events_per_minute: 7,
      tenant_events_per_minute: 5_000,
      may_import_history: true,
      event_age_max_s: 60,
      expires_at: '2030-01-01T00:00:00Z',
    })
  })

  test('a key is not created with unsafe scopes, or for a tenant that does not exist', async () => {
    const wanted = { tenant: 'default', name: 'x', scopes: ['ingest'] as const }
    await expect(createKey(db, { ...wanted, tenant: 'nobody' })).rejects.toThrow(
      'Tenant "nobody" does not exist.',
    )
    await expect(createKey(db, { ...wanted, kind: 'pub', scopes: ['read'] })).rejects.toThrow(
      'public key',
    )
    await expect(createKey(db, { ...wanted, kind: 'sec', scopes: ['admin'] })).rejects.toThrow(
      'kind adm',
    )
    await expect(createKey(db, { ...wanted, scopes: [] })).rejects.toThrow('at least one scope')
  })

  test('origins are stored as browsers send them, and anything else is rejected', async () => {
    const withOrigins = (...origins: string[]) =>
      createKey(db, { tenant: 'default', name: 'x', kind: 'pub', scopes: ['ingest'], origins })
    const { key } = await withOrigins(
      'HTTPS://Shop.Example',
      'https://shop.example',
      'https://shop.example:8443',
      'https://*.shop.example',
      'http://localhost:3000',
    )
    expect((await findKeyRecord(db, hashOf(key)))?.origins).toEqual([
      'https://shop.example',
      'https://shop.example:8443',
      'https://*.shop.example',
      'http://localhost:3000',
    ])
    for (const origin of ['shop.example', 'https://shop.example/', '*', 'https://*', 'null', ''])
      await expect(withOrigins(origin)).rejects.toThrow('is not an origin')
  })

  test('a key is revoked by its id, its prefix or itself, and keeps its first revocation time', async () => {
    const made = await createKey(db, { tenant: 'default', name: 'old', scopes: ['read'] })
    const first = await revokeKey(db, made.displayPrefix)
    expect(first).toMatchObject({ keyId: made.keyId, revokedAt: expect.stringMatching(/Z$/) })
    const record = await findKeyRecord(db, hashOf(made.key))
    expect(record?.revoked_at).toBe(first.revokedAt)
    expect(record && isUsable(record)).toBe(false)
    for (const which of [made.keyId, made.keyId.toUpperCase(), made.key])
      expect((await revokeKey(db, which)).revokedAt).toBe(first.revokedAt)
    await expect(revokeKey(db, 'slc_sec_none')).rejects.toThrow('does not exist')
  })

  test('a key is usable until it expires', () => {
    const record = { revoked_at: null, expires_at: '2026-11-21T10:00:00Z' }
    const at = (time: string) => isUsable(record as never, Date.parse(time))
    expect([at('2026-11-21T09:00:00Z'), at('2026-11-21T10:00:00Z')]).toEqual([true, false])
  })

  test('an unknown hash, or text that is not a hash, finds no key', async () => {
    for (const hash of [hashOf('no such key'), '', "'; DROP TABLE api_key; --", 'A'.repeat(64)])
      expect(await findKeyRecord(db, hash)).toBeUndefined()
  })

  test('the last use of a key is written once a minute over all processes', async () => {
    const { keyId } = await createKey(db, { tenant: 'default', name: 'used', scopes: ['read'] })
    let now = 0
    const [one, other] = [createKeyUseRecorder(db, () => now), createKeyUseRecorder(db, () => now)]
    const lastUsed = async () => (await listKeys(db)).find((key) => key.keyId === keyId)?.lastUsedAt
    const aMinutePasses = (seconds: number) =>
      database.pool.query(
        "UPDATE api_key SET last_used_at = last_used_at - $2 * interval '1 s' WHERE key_id = $1",
        [keyId, seconds],
      )
    await one(keyId)
    const first = await lastUsed()
    expect(first).not.toBeNull()
    // This process's memory saves the statement; the condition on the row stops the other process.
    now = 59_999
    await one(keyId)
    await other(keyId)
    expect(await lastUsed()).toBe(first)
    now = 120_000
    await aMinutePasses(60)
    await one(keyId)
    const second = await lastUsed()
    expect(Date.parse(second ?? '')).toBeGreaterThan(Date.parse(first ?? '') - 1)
    expect(second).not.toBe(first)
    await other(keyId)
    expect(await lastUsed()).toBe(second)
  })

  test('a public key can only ingest, even if its row were changed', async () => {
    const { key, keyId } = await createKey(db, {
      tenant: 'default',
      name: 'page',
      kind: 'pub',
      scopes: ['ingest'],
    })
    await database.pool.query(
      "UPDATE api_key SET scopes = '{ingest,read,admin}' WHERE key_id = $1",
      [keyId],
    )
    expect(await findKeyRecord(db, hashOf(key))).toMatchObject({ kind: 'pub', scopes: ['ingest'] })
  })
})

describe('tenants', () => {
  test('a tenant is created once, with a name that fits into a URL', async () => {
    expect(await createTenant(db, { tenant: 'once', allowedLatenessS: 5 })).toBe(true)
    expect(await createTenant(db, { tenant: 'once', allowedLatenessS: 6 })).toBe(false)
    expect(await listTenants(db)).toContainEqual(
      expect.objectContaining({ tenant: 'once', allowedLatenessS: 5, eventsPerMinute: null }),
    )
    for (const tenant of ['', '-a', 'A', 'a b', 'ä', 'a'.repeat(64)])
      await expect(createTenant(db, { tenant })).rejects.toThrow('cannot name a tenant')
  })
})

describe('changing a tenant', () => {
  const recordOf = async (key: string) => findKeyRecord(db, hashOf(key))

  test('sets the given properties and no others', async () => {
    await createTenant(db, { tenant: 'changing', eventsPerMinute: 7 })
    const { key } = await createKey(db, { tenant: 'changing', name: 'x', scopes: ['ingest'] })
    await setTenant(db, 'changing', { eventAgeMaxS: 60, schemaVersions: ['1', ' 2.0 ', '1'] })
    expect(await recordOf(key)).toMatchObject({
      tenant_events_per_minute: 7,
      event_age_max_s: 60,
      schema_versions: ['1', '2.0'],
    })
    expect(await setTenant(db, 'changing', { eventsPerMinute: 8, allowedLatenessS: 0 })).toEqual({
      tenant: 'changing',
      eventsPerMinute: 8,
      eventAgeMaxS: 60,
      allowedLatenessS: 0,
      schemaVersions: ['1', '2.0'],
      createdAt: expect.stringMatching(/Z$/),
    })
    await setTenant(db, 'changing', { schemaVersions: null })
    expect((await recordOf(key))?.schema_versions).toBeNull()
  })

  test('fails for an unknown tenant, and for versions that no event can have', async () => {
    await expect(setTenant(db, 'nobody', { eventsPerMinute: 1 })).rejects.toThrow('does not exist')
    for (const versions of [[], [''], ['a b'], ['ä'], ['x'.repeat(65)]])
      await expect(setTenant(db, 'default', { schemaVersions: versions })).rejects.toThrow(
        'version',
      )
    expect((await listTenants(db)).find(({ tenant }) => tenant === 'default')).toMatchObject({
      schemaVersions: null,
    })
  })
})

describe('changing a key', () => {
  test('sets the given properties and no others', async () => {
    const { key, keyId, displayPrefix } = await createKey(db, {
      tenant: 'default',
      name: 'to change',
      scopes: ['ingest'],
      eventsPerMinute: 7,
      origins: ['https://shop.example'],
    })
    const before = await findKeyRecord(db, hashOf(key))
    expect(await setKey(db, displayPrefix, {})).toMatchObject({ keyId, eventsPerMinute: 7 })
    expect(await findKeyRecord(db, hashOf(key))).toEqual(before)
    const expiresAt = new Date('2050-01-01T00:00:00Z')
    await setKey(db, keyId, { eventsPerMinute: 5_000, mayImportHistory: true, expiresAt })
    expect(await findKeyRecord(db, hashOf(key))).toEqual({
      ...before,
      key_events_per_minute: 5_000,
      may_import_history: true,
      expires_at: '2050-01-01T00:00:00Z',
    })
    const changes = { name: 'changed', origins: [], eventsPerMinute: null, expiresAt: null }
    expect(await setKey(db, 'to change', changes)).toMatchObject(changes)
    expect(await findKeyRecord(db, hashOf(key))).toMatchObject({
      origins: [],
      key_events_per_minute: 100,
      expires_at: null,
    })
  })

  test('fails for a revoked key, for an invalid origin, and for a name that several keys have', async () => {
    const twin = () => createKey(db, { tenant: 'default', name: 'twin', scopes: ['ingest'] })
    const [one, other] = [await twin(), await twin()]
    await expect(setKey(db, 'twin', { eventsPerMinute: 1 })).rejects.toThrow(
      `Several keys have this name: ${one.displayPrefix}…, ${other.displayPrefix}…`,
    )
    await expect(setKey(db, one.keyId, { origins: ['shop.example'] })).rejects.toThrow('origin')
    await revokeKey(db, one.keyId)
    await expect(setKey(db, one.keyId, { eventsPerMinute: 1 })).rejects.toThrow('was revoked')
    // The name of a revoked key is free for its successor.
    expect((await setKey(db, 'twin', { eventsPerMinute: 1 })).keyId).toBe(other.keyId)
  })
})

describe('login links and sessions', () => {
  test('a link signs in once, even when it is redeemed concurrently', async () => {
    const link = await mintLoginLink(db)
    const tokens = await Promise.all(Array.from({ length: 8 }, () => redeemLoginLink(db, link)))
    const token = tokens.find((each) => each !== undefined) as string
    expect(tokens.filter((each) => each !== undefined)).toHaveLength(1)
    expect(await isSessionValid(db, token)).toBe(true)
    expect(await redeemLoginLink(db, link)).toBeUndefined()
    await endSession(db, token)
    expect(await isSessionValid(db, token)).toBe(false)
  })

  test('a link is valid for ten minutes, a session for thirty days, and only their hashes are stored', async () => {
    const link = await mintLoginLink(db)
    const { rows } = await database.pool.query(
      'SELECT extract(epoch FROM expires_at - now())::int AS s, login_link::text AS row FROM login_link ORDER BY expires_at DESC LIMIT 1',
    )
    expect(rows[0].s).toBeGreaterThan(590)
    expect(rows[0].s).toBeLessThanOrEqual(600)
    expect(rows[0].row).not.toContain(link)
    await database.pool.query("UPDATE login_link SET expires_at = now() - interval '1 s'")
    expect(await redeemLoginLink(db, link)).toBeUndefined()

    const token = (await redeemLoginLink(db, await mintLoginLink(db))) as string
    await database.pool.query("UPDATE session SET expires_at = now() - interval '1 s'")
    expect(await isSessionValid(db, token)).toBe(false)
  })

  test('at most one hundred sessions are kept', async () => {
    await database.pool.query(
      `INSERT INTO session (token_sha256, expires_at, created_at)
       SELECT sha256(i::text::bytea), now() + interval '1 day', now() - interval '1 h' FROM generate_series(1, 500) i`,
    )
    const token = (await redeemLoginLink(db, await mintLoginLink(db))) as string
    const { rows } = await database.pool.query('SELECT count(*)::int AS n FROM session')
    expect(rows[0].n).toBeLessThanOrEqual(100)
    expect(await isSessionValid(db, token)).toBe(true)
  })
})
