import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { type AuditEntry, recordAudit } from './audit-log.ts'
import { GENESIS } from './hash-entry.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { role: 'sluice_write', max: 6 })
})
afterAll(async () => {
  await db?.destroy()
  await database?.drop()
})

const record = (entry: Partial<AuditEntry> & { tenantId: number }) =>
  db
    .transaction()
    .execute((tx) =>
      recordAudit(
        tx,
        { kind: 'cli' },
        { action: 'key.created', object: 'key 1', after: { scopes: ['ingest'] }, ...entry },
      ),
    )

const chainOf = async (tenantId: number) =>
  (
    await database.pool.query(
      `SELECT sequence::int, encode(previous_hash, 'hex') AS previous, encode(hash, 'hex') AS hash
         FROM audit_log WHERE tenant_id = $1 ORDER BY sequence`,
      [tenantId],
    )
  ).rows

test('entries that are added at the same time form one chain for each tenant', async () => {
  await Promise.all(Array.from({ length: 30 }, (_, i) => record({ tenantId: 1 + (i % 3) })))
  for (const tenantId of [1, 2, 3]) {
    const chain = await chainOf(tenantId)
    expect(chain.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    expect(chain.map(({ previous }) => previous)).toEqual([
      GENESIS,
      ...chain.slice(0, -1).map(({ hash }) => hash),
    ])
  }
})

test('a change that is rolled back leaves no entry, and no gap', async () => {
  await record({ tenantId: 11 })
  const failed = db.transaction().execute(async (tx) => {
    await recordAudit(tx, { kind: 'cli' }, { tenantId: 11, action: 'key.created', object: 'key 2' })
    throw new Error('failed')
  })
  await expect(failed).rejects.toThrow('failed')
  expect(await record({ tenantId: 11 })).toMatchObject({ sequence: 2 })
})

test('the role that writes can add entries and cannot change or delete any', async () => {
  await record({ tenantId: 12 })
  await expect(
    db.updateTable('audit_log').set({ object: 'other' }).where('tenant_id', '=', 12).execute(),
  ).rejects.toThrow('permission denied')
  await expect(db.deleteFrom('audit_log').execute()).rejects.toThrow('permission denied')
  for (const table of ['audit_head', 'audit_delivery'])
    await expect(sql`DELETE FROM ${sql.table(table)}`.execute(db)).rejects.toThrow(
      'permission denied',
    )
  expect(await chainOf(12)).toHaveLength(1)
})

test('an entry outside a transaction is refused, because its change could fail without it', async () => {
  await expect(
    recordAudit(db, { kind: 'cli' }, { tenantId: 13, action: 'key.created', object: 'key 1' }),
  ).rejects.toThrow('transaction')
})
