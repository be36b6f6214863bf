import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { createKey } from '../../identity/api-keys.ts'
import { createTenant } from '../../identity/tenants.ts'
import { tenantViewer } from '../../identity/viewer.ts'
import { apiKeyUse } from '../../queries/identity/api-key-use.ts'
import type { Decoded, EventRow } from '../decode/decoded.ts'
import { eventRow } from '../testing/event-rows.ts'
import { createKeySenders, OTHER_SENDERS, SENDER_LIMITS } from './key-senders.ts'

let database: TestDatabase
let db: Database
let keyId: string
/** The beginning of this hour, by Postgres' clock. */
let hourMs: number
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url)
  for (const tenant of ['shop', 'other']) await createTenant(db, { tenant })
  keyId = (await createKey(db, { tenant: 'shop', name: 'k', scopes: ['ingest'] })).keyId
})
beforeEach(async () => {
  await database.pool.query('TRUNCATE key_sender_hour')
  const { rows } = await database.pool.query("SELECT date_trunc('hour', now()) AS hour")
  hourMs = rows[0].hour.getTime()
})
afterAll(async () => {
  await db?.destroy()
  await database?.drop()
})

const events = (fields: Partial<EventRow>, count = 1, ms = hourMs): Decoded[] =>
  Array.from({ length: count }, () => ({
    kind: 'event',
    row: eventRow({ tenantId: 1, keyId, received: { ms, us: 0 }, ...fields }),
  }))
const stored = async () =>
  (
    await database.pool.query(
      'SELECT client, origin, sum(events)::int AS events FROM key_sender_hour GROUP BY 1, 2 ORDER BY 3 DESC, 1',
    )
  ).rows.map(({ client, origin, events }) => `${client} ${origin} ${events}`)

test('events are counted by client and origin, over several flushes, and those without a key are not', async () => {
  const senders = createKeySenders(database.pool)
  const page = { client: 'Mozilla/5.0 (X11; Linux) Gecko', origin: 'https://shop.example' }
  senders.count([
    ...events({ client: 'curl/8.5.0' }, 3),
    ...events(page, 2),
    ...events({ client: 'curl/8.5.0', keyId: null }),
    ...events({}, 1),
  ])
  await senders.flush()
  senders.count([...events(page, 5), ...events({ client: 'x\0y\u{1f600}z'.repeat(99) })])
  await senders.flush()
  await senders.flush()
  expect(await stored()).toEqual([
    'Mozilla/5.0 https://shop.example 7',
    'curl/8.5.0  3',
    '  1',
    `${'xyz'.repeat(99).slice(0, SENDER_LIMITS.clientCharsMax)}  1`,
  ])
})

test('a key has a bounded number of rows for an hour, and the others are one', async () => {
  const senders = createKeySenders(database.pool)
  const max = SENDER_LIMITS.perKeyHourMax
  for (let i = 0; i < max - 1; i++) senders.count(events({ client: `c${i}` }, 2))
  await senders.flush()
  senders.count([
    ...events({ client: 'the last one' }, 9),
    ...Array.from({ length: 50 }, (_, i) => events({ client: `more ${i}` })).flat(),
    ...events({ client: 'c0' }),
  ])
  await senders.flush()
  const rows = await stored()
  expect(rows).toHaveLength(max + 1)
  expect(rows.slice(0, 3)).toEqual([`${OTHER_SENDERS}  50`, 'the last one  9', 'c0  3'])
})

test('what is held in memory is bounded', async () => {
  const senders = createKeySenders(database.pool, { ...SENDER_LIMITS, heldMax: 2 })
  senders.count(['a', 'b', 'c', 'a'].flatMap((client) => events({ client })))
  await senders.flush()
  expect(await stored()).toEqual(['a  2', 'b  1'])
})

test('who uses a key is shown with events a minute, for the tenant of the key only', async () => {
  const senders = createKeySenders(database.pool)
  senders.count([
    ...events({ client: 'new' }, 600, hourMs - 1_800_000),
    ...events({ client: 'old' }, 900, hourMs - 7_200_000),
    ...events({ client: 'gone' }, 1, hourMs - 26 * 3_600_000),
  ])
  await senders.flush()
  const { rows } = await apiKeyUse(db, await tenantViewer(db, { kind: 'SESSION' }, 'shop'), {
    keyId,
  })
  expect(rows).toMatchObject([
    { client: 'new', origin: null, events: 600 },
    { client: 'old', events: 900, eventsPerMinute: 0 },
  ])
  const minutes = 60 + (Date.now() - hourMs) / 60_000
  expect(rows[0]?.eventsPerMinute).toBeCloseTo(600 / minutes, 0)
  const other = await tenantViewer(db, { kind: 'SESSION' }, 'other')
  await expect(apiKeyUse(db, other, { keyId })).rejects.toMatchObject({ code: 'KEY_NOT_FOUND' })
})
