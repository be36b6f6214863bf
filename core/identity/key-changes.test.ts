import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { migrate } from '../db/migrate.ts'
import { ROOT } from '../lib/paths.ts'
import { createKey, revokeKey } from './api-keys.ts'
import { changedKeyIds, deletedKeys, forgetDeletedKeys, readKeyPosition } from './key-changes.ts'
import { createKeyUseRecorder } from './key-directory.ts'
import { createTenant, setTenant } from './tenants.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url)
  await createTenant(db, { tenant: 'acme' })
  await createTenant(db, { tenant: 'other' })
})
afterAll(async () => {
  await db.destroy()
  await database.drop()
})

const newKey = async (tenant = 'acme') =>
  (await createKey(db, { tenant, name: 'x', scopes: ['ingest'] })).keyId
const snapshot = async () => (await readKeyPosition(db)).snapshot
const changed = async (since: string) => (await changedKeyIds(db, since, 1_000)).sort()
const sql = (text: string, ...values: unknown[]) => database.pool.query(text, values)

test('a key counts as changed when it was created, or anything but its last use changed', async () => {
  const keyId = await newKey()
  let since = await snapshot()
  expect(await changed(since)).toEqual([])
  const created = await newKey()
  expect(await changed(since)).toEqual([created])
  since = await snapshot()
  await createKeyUseRecorder(db)(keyId)
  expect((await sql('SELECT last_used_at FROM api_key WHERE key_id = $1', keyId)).rows).not.toEqual(
    [{ last_used_at: null }],
  )
  await sql('UPDATE api_key SET name = name')
  expect(await changed(since)).toEqual([])
  await sql('UPDATE api_key SET last_used_at = now(), revoked_at = now() WHERE key_id = $1', keyId)
  expect(await changed(since)).toEqual([keyId])
})

test('all keys of a tenant count as changed when its limits or schema versions changed', async () => {
  const keys = [await newKey('other'), await newKey('other')].sort()
  for (const change of [{ eventsPerMinute: 7 }, { schemaVersions: ['2'] }, { eventAgeMaxS: 60 }]) {
    const since = await snapshot()
    await setTenant(db, 'other', change)
    expect(await changed(since)).toEqual(keys)
    expect(await changed(await snapshot())).toEqual([])
  }
})

test('each of several concurrent transactions is found once, whichever begins first and whichever commits first', async () => {
  const keys = await Promise.all([newKey(), newKey(), newKey()])
  const clients = await Promise.all(keys.map(() => database.pool.connect()))
  const revoke = (i: number) =>
    clients[i]?.query('UPDATE api_key SET revoked_at = now() WHERE key_id = $1', [keys[i]])
  let since = await snapshot()
  const look = async () => {
    const next = await snapshot()
    const found = await changed(since)
    since = next
    return found
  }
  try {
    for (const client of clients) await client.query('BEGIN')
    for (const i of [0, 1, 2]) await revoke(i)
    expect(await look()).toEqual([])
    await clients[2]?.query('COMMIT')
    expect(await look()).toEqual([keys[2]])
    await clients[0]?.query('COMMIT')
    expect(await look()).toEqual([keys[0]])
    // The oldest that still runs keeps xmin where it is.
    expect(await look()).toEqual([])
    await clients[1]?.query('COMMIT')
    expect(await look()).toEqual([keys[1]])
    expect(await look()).toEqual([])
  } finally {
    for (const client of clients) client.release(true)
  }
})

test('rows with transaction ids of another cluster are not taken for changes for ever', async () => {
  const keyId = await newKey()
  await sql('ALTER TABLE api_key DISABLE TRIGGER USER')
  await sql("UPDATE api_key SET changed_xid = '1000000000000' WHERE key_id = $1", keyId)
  await sql('ALTER TABLE api_key ENABLE TRIGGER USER')
  const since = await snapshot()
  expect(await changed(since)).toEqual([])
  await revokeKey(db, keyId)
  expect(await changed(since)).toEqual([keyId])
})

test('deleted keys are found until a day later, however they were deleted', async () => {
  await sql('DELETE FROM deleted_api_key')
  const keys = [await newKey('other'), await newKey('other'), await newKey('other')]
  const hashOf = async (i: number) =>
    (await sql("SELECT encode(key_sha256, 'hex') h FROM api_key WHERE key_id = $1", keys[i]))
      .rows[0].h
  const hashes = [await hashOf(0), await hashOf(1), await hashOf(2)]
  const found = async (since?: string) => deletedKeys(db, since, '', 1_000)
  let since = await snapshot()
  await sql('DELETE FROM api_key WHERE key_id = $1', keys[0])
  expect(await found(since)).toEqual([hashes[0]])
  since = await snapshot()
  await sql(`UPDATE api_key SET key_sha256 = sha256('new') WHERE key_id = $1`, keys[1])
  expect(await found(since)).toEqual([hashes[1]])
  since = await snapshot()
  await sql('TRUNCATE api_key')
  expect(await found(since)).toContain(hashes[2])
  expect(await found()).toEqual(expect.arrayContaining(hashes))
  expect(await deletedKeys(db, undefined, (await found())[0] as string, 1)).toEqual([
    (await found())[1],
  ])
  await forgetDeletedKeys(db)
  expect(await found()).toEqual(expect.arrayContaining(hashes))
  await sql("UPDATE deleted_api_key SET deleted_at = now() - interval '25 hours'")
  await forgetDeletedKeys(db)
  expect(await found()).toEqual([])
})

test('another server, or tables that were restored, are another source', async () => {
  const { source } = await readKeyPosition(db)
  expect((await readKeyPosition(db)).source).toBe(source)
  const copy = await createTestDatabase()
  const ofCopy = createDatabase(copy.url, { max: 1 })
  expect((await readKeyPosition(ofCopy)).source).not.toBe(source)
  await ofCopy.destroy()
  await copy.drop()
})

test('migration 15 marks nothing of what a database already holds, and each change after it', async () => {
  const old = await createTestDatabase()
  const oldDb = createDatabase(old.url, { max: 2 })
  const folder = mkdtempSync(join(tmpdir(), 'sluice-keys-'))
  try {
    await old.pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
    for (const file of readdirSync(join(ROOT, 'migrations')))
      if (file < '000014') cpSync(join(ROOT, 'migrations', file), join(folder, file))
    await migrate(old.url, undefined, folder)
    await old.pool.query(`
      INSERT INTO tenant (slug) VALUES ('shop'), ('bank');
      INSERT INTO api_key (tenant_id, name, display_prefix, key_sha256, scopes)
      SELECT tenant_id, slug, 'slu_sec_x', sha256(slug::bytea), '{ingest}' FROM tenant`)
    const before = (await old.pool.query('SELECT key_id, name, key_sha256 FROM api_key')).rows
    await migrate(old.url)
    const { rows } = await old.pool.query('SELECT key_id, name, key_sha256 FROM api_key')
    expect(rows).toEqual(before)
    expect(await changedKeyIds(oldDb, '1:1:', 10)).toEqual([])
    await old.pool.query("UPDATE tenant SET events_per_minute = 5 WHERE slug = 'bank'")
    const bank = before.find(({ name }) => name === 'bank')
    expect(await changedKeyIds(oldDb, '1:1:', 10)).toEqual([bank.key_id])
  } finally {
    await oldDb.destroy()
    await old.drop()
    rmSync(folder, { recursive: true })
  }
})
