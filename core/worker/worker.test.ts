import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { TOPICS } from '../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { countTotals, rawRecord, rawValue, receivedOn } from '../../tests/lib/records.ts'
import type { Log, NewRecord } from '../log/log.ts'
import { createPostgresLog } from '../log/postgres/postgres-log.ts'
import { createPartitionMaintenance } from './maintenance/partition-maintenance.ts'
import { createWorker } from './worker.ts'

const quiet = { info() {}, warn() {}, error() {} }

let database: TestDatabase
let log: Log
let stop: AbortController
let running: Promise<void> | undefined

beforeEach(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default'), ('other')")
  log = await createPostgresLog({ url: database.url })
  stop = new AbortController()
})
afterEach(async () => {
  stop.abort()
  await running
  running = undefined
  await log.close()
  await database.drop()
})

async function start(concurrency = 2): Promise<void> {
  const worker = createWorker({ databaseUrl: database.url, log, logger: quiet, concurrency })
  running = worker.run(stop.signal)
}

const append = (records: NewRecord[]) => log.append(TOPICS.raw.name, records)

async function settled(records: number) {
  await expect
    .poll(
      async () => {
        const { rows } = await database.pool.query(
          "SELECT sum(next_offset)::int AS read FROM log_position WHERE topic = 'events.raw'",
        )
        return rows[0].read
      },
      { timeout: 20_000 },
    )
    .toBe(records)
  return countTotals(database.pool)
}

const one = async (sql: string) => (await database.pool.query(sql)).rows[0]

test('a worker reads batches at the distances that the limits say, shorter in thin traffic and longer in dense', async () => {
  const options: object[] = []
  const { batches } = log
  log.batches = (topic, given) => {
    options.push(given)
    return batches.call(log, topic, given)
  }
  await start(1)
  await append([rawRecord()])
  expect(await settled(1)).toMatchObject({ stored: 1 })
  expect(options).not.toEqual([])
  for (const each of options)
    expect(each).toMatchObject({
      minIntervalMs: LIMITS.logBatchMinIntervalMs,
      maxIntervalMs: LIMITS.logBatchMaxIntervalMs,
      maxRecords: LIMITS.logBatchRecordsMax,
    })
})

describe('exactly once', () => {
  test('every record becomes one row, and the rollups equal a recount', async () => {
    const records = Array.from({ length: 3_000 }, (_, i) =>
      rawRecord({
        name: `event_${i % 7}`,
        actor: `actor-${i % 50}`,
        value: i % 3 === 0 ? i / 7 : undefined,
      }),
    )
    await start()
    await append(records)
    expect(await settled(3_000)).toEqual({
      stored: 3_000,
      duplicates: 0,
      conflicting: 0,
      dead: 0,
      wrongRollups: 0,
      double: 0,
    })
  })

  test('an event counts once however often it is sent: in one batch, in the next, or after midnight', async () => {
    const now = Date.now()
    const at = (ms: number) => new Date(ms).toISOString()
    const midnight = Math.floor(now / 86_400_000) * 86_400_000
    const once = { event_id: 'order-1', actor: 'ada', value: 2 }
    await append([
      rawRecord({ ...once, received_at: at(midnight - 1_000) }),
      rawRecord({ ...once, received_at: at(midnight - 900) }),
    ])
    await start()
    await settled(2)
    await append([rawRecord({ ...once, name: 'another_name', received_at: at(midnight + 1_000) })])
    // The other tenant's event of the same id is another event.
    await append([rawRecord({ ...once, tenant: 'other' })])
    expect(await settled(4)).toEqual({
      stored: 2,
      duplicates: 1,
      conflicting: 1,
      dead: 0,
      wrongRollups: 0,
      double: 0,
    })
    expect(await one('SELECT name, client_event_id FROM event WHERE tenant_id = 1')).toEqual({
      name: 'page_view',
      client_event_id: 'order-1',
    })
  })

  test('a duplicate that comes through another partition on the same day is refused by the primary key and counted once', async () => {
    const id = '0192a1b2-0000-7000-8000-00000000000a'
    await append([
      rawRecord({ event_id: id, actor: 'ada' }),
      rawRecord({ event_id: id, actor: 'bob' }),
    ])
    await append(
      Array.from({ length: 200 }, (_, i) => rawRecord({ event_id: id, actor: `actor-${i}` })),
    )
    await start()
    expect(await settled(202)).toEqual({
      stored: 1,
      duplicates: 0,
      // Each names another actor, or it would have come through the same partition.
      conflicting: 201,
      dead: 0,
      wrongRollups: 0,
      double: 0,
    })
  })

  test('an id received on both sides of midnight, through two partitions, counts twice only where both are written at the same moment', async () => {
    const midnight = Math.floor(Date.now() / 86_400_000) * 86_400_000
    const sent = (event_id: string) => [
      {
        ...rawRecord({ event_id, received_at: new Date(midnight - 1).toISOString() }),
        partition: 0,
      },
      { ...rawRecord({ event_id, received_at: new Date(midnight).toISOString() }), partition: 1 },
    ]
    await append(sent('one after the other').slice(0, 1))
    await start()
    await settled(1)
    await append(sent('one after the other').slice(1))
    expect(await settled(2)).toMatchObject({ stored: 1, duplicates: 1, double: 0 })

    // Each has looked the id up before the other commits: no constraint spans two days, so both are stored.
    const blocker = await database.pool.connect()
    await blocker.query('BEGIN; LOCK TABLE rollup_15m IN EXCLUSIVE MODE')
    await append(sent('at the same moment'))
    await expect
      .poll(() =>
        one(
          `SELECT count(*)::int AS n FROM pg_locks WHERE relation = 'rollup_15m'::regclass AND NOT granted`,
        ),
      )
      .toEqual({ n: 2 })
    await blocker.query('COMMIT')
    blocker.release()
    // The balance and the rollups still agree with the rows.
    expect(await settled(4)).toMatchObject({
      stored: 3,
      duplicates: 1,
      conflicting: 0,
      wrongRollups: 0,
      double: 1,
    })
  })

  test('a worker whose position was moved by another worker writes nothing and goes on from there', async () => {
    await start()
    await append([rawRecord({ actor: 'a' })])
    await settled(1)
    const { rows } = await database.pool.query(
      'SELECT partition FROM log_position WHERE next_offset > 0',
    )
    const partition = rows[0].partition as number
    // As if another worker had taken the next two records and stored them elsewhere.
    const blocker = await database.pool.connect()
    await blocker.query('BEGIN')
    await blocker.query(
      'UPDATE log_position SET next_offset = next_offset + 2 WHERE partition = $1',
      [partition],
    )
    await append([
      { ...rawRecord(), partition },
      { ...rawRecord(), partition },
      { ...rawRecord({ name: 'third' }), partition },
    ])
    await blocker.query('COMMIT')
    blocker.release()
    expect(await settled(4)).toMatchObject({ double: 0, wrongRollups: 0 })
    expect(await one("SELECT count(*)::int AS n FROM event WHERE name = 'third'")).toEqual({ n: 1 })
  })

  test('a connection that breaks during a batch changes nothing twice', async () => {
    await start()
    for (let round = 0; round < 15; round++) {
      await append(
        Array.from({ length: 400 }, (_, i) => rawRecord({ actor: `actor-${i}`, value: 1 })),
      )
      await database.pool.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'sluice worker%' AND datname = current_database()",
      )
    }
    expect(await settled(6_000)).toEqual({
      stored: 6_000,
      duplicates: 0,
      conflicting: 0,
      dead: 0,
      wrongRollups: 0,
      double: 0,
    })
  })
})

describe('records that cannot be stored', () => {
  const invalid: [name: string, record: () => NewRecord, reason: string][] = [
    ['not JSON', () => rawValue('{"v":1,'), 'NOT_JSON'],
    ['not UTF-8', () => rawValue(Buffer.from([0xff, 0xfe, 0x00])), 'NOT_UTF8'],
    ['NUL in a property', () => rawRecord({ properties: { a: 'x\0y' } }), 'UNSTORABLE'],
    ['a lone surrogate in a key', () => rawRecord({ properties: { '\ud800': 1 } }), 'UNSTORABLE'],
    [
      '1e400',
      () =>
        rawValue(
          rawRecord({ properties: { a: 777 } })
            .value.toString()
            .replace('777', '1e400'),
        ),
      'UNSTORABLE',
    ],
    ['an unknown tenant', () => rawRecord({ tenant: 'nobody' }), 'TENANT_UNKNOWN'],
    [
      'an unknown version',
      () => rawValue(rawRecord().value.toString().replace('"v":1', '"v":2')),
      'VERSION_UNKNOWN',
    ],
    [
      'no event',
      () =>
        rawValue(
          '{"v":1,"tenant":"default","key":"k","request_id":"r","received_at":"2026-01-01T00:00:00Z","edge":"e"}',
        ),
      'EVENT_INVALID',
    ],
    ['a number', () => rawValue('42'), 'NOT_A_RECORD'],
    ['an empty value', () => rawValue(''), 'NOT_JSON'],
    [
      'received long ago',
      () => rawRecord({ received_at: '2020-01-01T00:00:00Z' }),
      'RECEIVED_AT_OUT_OF_RANGE',
    ],
    [
      'from the future',
      () => rawRecord({ occurred_at: new Date(Date.now() + 3_600_000).toISOString() }),
      'OCCURRED_AT_IN_FUTURE',
    ],
    ['too old', () => rawRecord({ occurred_at: '2024-01-22T17:36:40Z' }), 'OCCURRED_AT_TOO_OLD'],
  ]

  test('each invalid record becomes a dead letter byte for byte, and the rest of its batch is stored', async () => {
    const records = invalid.map(([, record]) => record())
    await append(records.flatMap((poison) => [rawRecord(), poison, rawRecord()]))
    await start()
    const { stored, dead, wrongRollups } = await settled(records.length * 3)
    expect({ stored, dead, wrongRollups }).toEqual({
      stored: records.length * 2,
      dead: records.length,
      wrongRollups: 0,
    })
    const { rows } = await database.pool.query('SELECT reason, original FROM dead_letter')
    const found = rows.map((row) => `${row.reason} ${row.original.toString('hex')}`).sort()
    const expected = records
      .map((record, i) => `${invalid[i]?.[2]} ${record.value.toString('hex')}`)
      .sort()
    expect(found).toEqual(expected)
  })

  test('poison records are found in the middle of a batch and become dead letters', async () => {
    await database.pool.query("ALTER TABLE event ADD CHECK (name <> 'refused')")
    await append(
      Array.from({ length: 300 }, (_, i) =>
        rawRecord({ name: i % 97 === 5 ? 'refused' : 'fine', actor: `a${i}` }),
      ),
    )
    await start()
    expect(await settled(300)).toEqual({
      stored: 296,
      duplicates: 0,
      conflicting: 0,
      dead: 4,
      wrongRollups: 0,
      double: 0,
    })
    expect(
      await one('SELECT DISTINCT reason, left(detail, 31) AS detail FROM dead_letter'),
    ).toEqual({
      reason: 'UNSTORABLE',
      detail: 'Postgres refused it: 23514 new ',
    })
  })

  test('a dead letter does not move the watermark', async () => {
    await append([rawRecord({ occurred_at: new Date(Date.now() + 3_600_000).toISOString() })])
    await start()
    await settled(1)
    expect(await one('SELECT count(*)::int AS n FROM watermark')).toEqual({ n: 0 })
  })
})

describe('event times', () => {
  const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString()

  test('an event that arrives after its bucket was final counts, and marks the bucket revised', async () => {
    await start(1)
    await append([rawRecord({ occurred_at: ago(0), actor: 'a' })])
    await settled(1)
    await append([
      rawRecord({ occurred_at: ago(30), actor: 'a' }),
      rawRecord({ occurred_at: ago(300), actor: 'a' }),
    ])
    await settled(3)
    const { rows } = await database.pool.query(
      'SELECT count::int, late_count::int AS late, revised_at IS NOT NULL AS revised FROM rollup_15m ORDER BY bucket',
    )
    expect(rows).toEqual([
      { count: 1, late: 1, revised: true },
      { count: 1, late: 0, revised: false },
      { count: 1, late: 0, revised: false },
    ])
  })

  test('historical events pass the age limit and are never late; their microseconds are kept', async () => {
    await append([
      rawRecord({ historical: true, occurred_at: '1906-04-18T13:12:21.123456Z', value: 7.9 }),
    ])
    await append([rawRecord({ historical: true, occurred_at: '0001-01-01T00:00:00Z' })])
    await start()
    expect(await settled(2)).toMatchObject({ stored: 2, dead: 0, wrongRollups: 0 })
    const { rows } = await database.pool.query(
      "SELECT to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS at, value FROM event ORDER BY occurred_at",
    )
    expect(rows).toEqual([
      { at: '0001-01-01 00:00:00.000000', value: null },
      { at: '1906-04-18 13:12:21.123456', value: 7.9 },
    ])
    expect(await one('SELECT sum(late_count)::int AS late FROM rollup_15m')).toEqual({
      late: 0,
    })
  })
})

test('every column of an event reads as it was sent', async () => {
  const sent = {
    event_id: 'A-1',
    name: 'Größe 🚀',
    occurred_at: new Date(Date.now() - 1_000).toISOString(),
    actor: 'ü'.repeat(255),
    session: 's',
    source: 'web',
    value: -0.1,
    properties: { a: [1, { b: null }], ключ: '"\\/\n', big: 9007199254740992 },
    context: { ip: '::1' },
    schema_version: '3',
  }
  await append([rawRecord(sent)])
  await start()
  await settled(1)
  const row = await one('SELECT * FROM event')
  expect(row).toMatchObject({
    client_event_id: 'A-1',
    name: sent.name,
    actor: sent.actor,
    session: 's',
    source: 'web',
    value: -0.1,
    properties: sent.properties,
    context: sent.context,
    schema_version: '3',
    request_id: 'a-request',
    key_id: '0192a1b2-0000-7000-8000-000000000001',
  })
  expect(row.occurred_at.toISOString()).toBe(sent.occurred_at)
})

test('partition maintenance creates the coming days once, however many workers run it, and drops the expired', async () => {
  const day = 86_400_000
  const maintainers = Array.from({ length: 4 }, () =>
    createPartitionMaintenance({ pool: database.pool }),
  )
  await Promise.all(maintainers.map((maintenance) => maintenance.run()))
  const old = Math.floor(Date.now() / day) - 40
  await maintainers[0]?.ensure(receivedOn(old))
  expect(await maintainers[1]?.run()).toMatchObject({ dropped: [] })
  await database.pool.query('UPDATE log_lease SET applied_through = now()')
  const { dropped } = (await maintainers[1]?.run()) ?? { dropped: [] }
  expect(dropped).toEqual([
    `event_${new Date(old * day).toISOString().slice(0, 10).replaceAll('-', '')}`,
  ])
  expect(await daysOfEvents()).toBe(5)
  // The first one still has it in its cache, until a write fails.
  maintainers[0]?.forget()
  await maintainers[0]?.ensure(receivedOn(old))
  expect(await daysOfEvents()).toBe(6)
})

test('a day that another worker dropped is created again at once when its next event arrives', async () => {
  const fourDaysAgo = () => new Date(Date.now() - 4 * 86_400_000).toISOString()
  await start()
  await append([rawRecord({ received_at: fourDaysAgo() })])
  await settled(1)
  await database.pool.query('UPDATE log_lease SET applied_through = now()')
  const other = createPartitionMaintenance({ pool: database.pool, retentionDays: 2 })
  expect((await other.run()).dropped).toHaveLength(1)
  await append([rawRecord({ received_at: fourDaysAgo() })])
  expect(await settled(2)).toMatchObject({ stored: 1, dead: 0 })
})

test('a day partition whose commit was not confirmed is created again', async () => {
  // As if the connection were cut at the commit.
  const pool = new pg.Pool({ connectionString: database.url, max: 1 })
  const cut = (client: pg.PoolClient) => {
    const query = client.query.bind(client)
    client.query = ((text: string, ...rest: []) => {
      if (text !== 'COMMIT') return query(text, ...rest)
      client.query = query as never
      return query('ROLLBACK').then(() => Promise.reject(new Error('cut')))
    }) as never
  }
  const client = await pool.connect()
  cut(client)
  client.release()
  const maintenance = createPartitionMaintenance({ pool })
  const day = receivedOn(Math.floor(Date.now() / 86_400_000))
  await expect(maintenance.ensure(day)).rejects.toThrow('cut')
  await maintenance.ensure(day)
  expect(await daysOfEvents()).toBe(1)
  await pool.end()
})

async function daysOfEvents(): Promise<number> {
  return (
    await one("SELECT count(*)::int AS n FROM pg_inherits WHERE inhparent = 'event'::regclass")
  ).n
}
