import { afterEach, beforeEach, expect, test } from 'vitest'
import { recordEncoder, type Stamp } from '../../../contract/log/record.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { rawRecord, rawValue } from '../../../tests/lib/records.ts'
import type { Log } from '../../log/log.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { createWorker } from '../worker.ts'

/** What the edge says about an event besides the event itself, and where it ends up. */

const quiet = { info() {}, warn() {}, error() {} }

let database: TestDatabase
let log: Log
let stop: AbortController
let running: Promise<void>

beforeEach(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  log = await createPostgresLog({ url: database.url })
  stop = new AbortController()
  const worker = createWorker({ databaseUrl: database.url, log, logger: quiet, concurrency: 2 })
  running = worker.run(stop.signal)
})
afterEach(async () => {
  stop.abort()
  await running
  await log.close()
  await database.drop()
})

const receivedAt = new Date().toISOString()
const stamp: Stamp = {
  v: 1,
  tenant: 'default',
  key: '0192a1b2-0000-7000-8000-000000000001',
  request_id: 'a-request',
  received_at: receivedAt,
  edge: 'test',
  route: 'segment',
  client: 'analytics-node/3.1.0',
}

test('an invalid event is kept byte for byte, with its route and client', async () => {
  const sent = '{"type":"track", "event":"",\n "messageId":"m-1"}'
  const notText = Buffer.from([0xff, 0xfe, 0x00, 0x7b])
  const { invalid } = recordEncoder(stamp)
  await log.append(TOPICS.raw.name, [
    rawValue(
      invalid({
        refused: [
          { code: 'NAME_INVALID', pointer: '/name', detail: 'must have 1 to 255 characters' },
          { code: 'ACTOR_INVALID', pointer: '/actor', detail: 'must be a string' },
        ],
        original: sent,
      }),
    ),
    rawValue(
      invalid({
        refused: [{ code: 'INVALID_UTF8', pointer: '', detail: 'The body is not valid UTF-8.' }],
        original: notText.toString('base64'),
        base64: true,
      }),
    ),
  ])
  expect(await readDeadLetters(2)).toEqual([
    {
      tenant: 'default',
      reason: 'INVALID_UTF8',
      detail: 'the event: The body is not valid UTF-8.',
      original: notText.toString('hex'),
      route: 'segment',
      client: 'analytics-node/3.1.0',
      request_id: 'a-request',
      received_at: receivedAt,
    },
    {
      tenant: 'default',
      reason: 'NAME_INVALID',
      detail: '/name: must have 1 to 255 characters; /actor: must be a string',
      original: Buffer.from(sent).toString('hex'),
      route: 'segment',
      client: 'analytics-node/3.1.0',
      request_id: 'a-request',
      received_at: receivedAt,
    },
  ])
  const { rows } = await database.pool.query('SELECT sum(dead)::int AS dead FROM outcome_minute')
  expect(rows).toEqual([{ dead: 2 }])
})

test('an event that is too old is kept as it was sent, not as it was normalised', async () => {
  const event = {
    event_id: 'e-1',
    name: 'a',
    occurred_at: '2020-01-01T00:00:00Z',
    properties: {},
  }
  const sent = '{ "event":"a","timestamp":1577836800 }'
  await log.append(TOPICS.raw.name, [
    rawValue(recordEncoder(stamp).event(JSON.stringify(event), { original: sent })),
  ])
  expect(await readDeadLetters(1)).toMatchObject([
    {
      reason: 'OCCURRED_AT_TOO_OLD',
      original: Buffer.from(sent).toString('hex'),
      route: 'segment',
    },
  ])
})

test('the time of a client with a wrong clock is kept next to the corrected one', async () => {
  const sent = { occurred_at: receivedAt, client_occurred_at: '2026-11-20T08:00:00.123456Z' }
  await log.append(TOPICS.raw.name, [
    rawRecord({ ...sent, event_id: 'a' }),
    rawRecord({ event_id: 'b' }),
  ])
  await expect
    .poll(async () => {
      const { rows } = await database.pool.query(
        'SELECT client_event_id AS id, client_occurred_at::text AS at FROM event ORDER BY 1',
      )
      return rows
    })
    .toEqual([
      { id: 'a', at: '2026-11-20 08:00:00.123456+00' },
      { id: 'b', at: null },
    ])
})

async function readDeadLetters(count: number) {
  let found: unknown[] = []
  await expect
    .poll(async () => {
      const { rows } = await database.pool.query(
        `SELECT slug AS tenant, reason, detail, encode(original, 'hex') AS original, route, client,
                request_id, received_at
           FROM dead_letter JOIN tenant USING (tenant_id) ORDER BY reason`,
      )
      found = rows.map((row) => ({ ...row, received_at: new Date(row.received_at).toISOString() }))
      return found.length
    })
    .toBe(count)
  return found
}
