import { afterAll, beforeAll, expect, test } from 'vitest'
import { sha256Hex } from '../../../contract/api-key.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { type RecordFields, rawRecord } from '../../../tests/lib/records.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { createKey } from '../../identity/api-keys.ts'
import { changedKeyIds, readKeyPosition } from '../../identity/key-changes.ts'
import { findKeyRecord } from '../../identity/key-directory.ts'
import { createTenant } from '../../identity/tenants.ts'
import { type TenantViewer, tenantViewer } from '../../identity/viewer.ts'
import type { Log } from '../../log/log.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { schemaDrift } from '../../queries/schemas/schema-drift.ts'
import { PIN_LIMITS, pinSchema, unpinSchema } from '../../schemas/pin-schema.ts'
import type { SchemaMode } from '../../schemas/pinned-schemas.ts'
import { createWorker } from '../worker.ts'

let database: TestDatabase
let db: Database
let viewer: TenantViewer
let log: Log
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url)
  await createTenant(db, { tenant: 'default' })
  viewer = await tenantViewer(db, { kind: 'SESSION' }, 'default')
  log = await createPostgresLog({ url: database.url })
})
afterAll(async () => {
  await log?.close()
  await db?.destroy()
  await database?.drop()
})

const PRICE = { properties: { price: { type: 'number' } }, required: ['price'] }
const pin = (
  name: string,
  mode: SchemaMode,
  version: number | null = null,
  schema: object = PRICE,
) =>
  pinSchema(
    db,
    viewer.tenantId,
    { name, mode, version, document: JSON.stringify(schema) },
    { kind: 'cli' },
  )
const sql = async (text: string) => (await database.pool.query(text)).rows

/** A worker that began after the pin knows it; another one within LIMITS.tenantCacheMs. */
async function apply(events: RecordFields[]): Promise<void> {
  await log.append(TOPICS.raw.name, events.map(rawRecord))
  const stop = new AbortController()
  const logger = { info() {}, warn() {}, error() {} }
  const running = createWorker({ databaseUrl: database.url, log, logger }).run(stop.signal)
  const waiting = async () => {
    const offsets = await log.offsets(TOPICS.raw.name)
    const ends = offsets.reduce((sum, { lastStableOffset }) => sum + lastStableOffset, 0)
    const [{ n }] = await sql('SELECT sum(next_offset)::int AS n FROM log_position')
    return ends - n
  }
  await expect.poll(waiting, { timeout: 10_000 }).toBe(0)
  stop.abort()
  await running
}

const OUTCOMES =
  'SELECT sum(stored)::int AS stored, sum(duplicate)::int AS duplicate, sum(conflicting)::int AS conflicting, sum(dead)::int AS dead FROM outcome_minute'

test('what violates a schema is stored and counted, or a dead letter, by its mode; what is stored already is a duplicate', async () => {
  await apply([{ name: 'dead', event_id: 'early', properties: { price: '1' } }])
  await pin('observed', 'observe')
  await pin('dead', 'dead-letter')
  await pin('rejected', 'reject')
  const names = ['observed', 'dead', 'rejected', 'free']
  await apply([
    ...names.flatMap((name) => [
      { name, event_id: `good ${name}`.replace(' ', '-'), properties: { price: 1 } },
      { name, event_id: `bad-${name}`, properties: { price: 'x' } },
    ]),
    // Stored before its schema was pinned.
    { name: 'dead', event_id: 'early', properties: { price: '1' } },
  ])
  expect(await sql(OUTCOMES)).toEqual([{ stored: 7, duplicate: 1, conflicting: 0, dead: 2 }])
  expect(await sql('SELECT reason, detail FROM dead_letter')).toEqual(
    Array(2).fill({
      reason: 'SCHEMA_VIOLATION',
      detail: '/properties/price: is a string and has to be a number (version 1 of the schema)',
    }),
  )
  const { rows } = await schemaDrift(db, viewer, { name: 'observed' })
  expect(rows).toMatchObject([
    {
      ...{ kind: 'VIOLATION', path: '/properties/price', events: 1, version: 1 },
      detail: 'is a string and has to be a number',
      message: expect.stringMatching(
        /^\/properties\/price is a string and has to be a number, in 1 events since .* \(version 1 of the schema\)$/,
      ),
    },
  ])
})

test('edges get schemas in the mode reject with the keys of the tenant, and no other ones', async () => {
  const { key, keyId } = await createKey(db, { tenant: 'default', name: 'k', scopes: ['ingest'] })
  const record = async () => findKeyRecord(db, await sha256Hex(key))
  const { snapshot } = await readKeyPosition(db)
  await pin('edge', 'reject')
  expect((await record())?.event_schemas).toContainEqual({
    ...{ name: 'edge', version: 1, schema: JSON.stringify(PRICE) },
  })
  expect(await changedKeyIds(db, snapshot, 10)).toContain(keyId)
  await pin('edge', 'observe', 1)
  expect((await record())?.event_schemas?.map(({ name }) => name)).not.toContain('edge')
  const before = await readKeyPosition(db)
  await unpinSchema(db, viewer.tenantId, { name: 'edge', version: 2 }, { kind: 'cli' })
  expect(await changedKeyIds(db, before.snapshot, 10)).toContain(keyId)
})

test('a change for another version, and schemas beyond the limits of a tenant, are refused', async () => {
  const again = await pin('edge', 'observe')
  expect(again.version).toBe(3)
  expect((await pin('edge', 'observe', 3)).version).toBe(3)
  await expect(pin('edge', 'observe')).rejects.toMatchObject({
    code: 'VERSION_CONFLICT',
    details: { version: 3 },
  })
  const large = { description: 'x'.repeat(PIN_LIMITS.rejectingBytesMax / 2) }
  await pin('large-1', 'reject', null, large)
  await expect(pin('large-2', 'reject', null, large)).rejects.toMatchObject({
    code: 'SCHEMA_LIMIT_REACHED',
  })
  expect((await pin('large-2', 'dead-letter', null, large)).version).toBe(1)
})
