import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { uuidV7 } from '../../../contract/event/uuid.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { anyJson } from '../../../contract/testing/arbitrary.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { countTotals, rawRecord } from '../../../tests/lib/records.ts'
import type { Log, LogRecord, NewRecord } from '../../log/log.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { createWorker } from '../worker.ts'

/** A producer that reaches the log can write anything there. Whatever it is, all other events go on. */
const RECORDS = 1_500
const SEED = Number(process.env.FUZZ_SEED) || Math.floor(Math.random() * 2 ** 31)
const quiet = { info() {}, warn() {}, error() {} }
const DAY_MS = 86_400_000

let database: TestDatabase
let log: Log
let stop: AbortController
let running: Promise<void> | undefined

beforeEach(async () => {
  database = await createTestDatabase()
  // What is derived is derived from hostile records too.
  await database.pool.query(
    "INSERT INTO tenant (slug, enrich) VALUES ('default', '{browser,bots,geo,referrer,utm}')",
  )
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

/** @param seen what the log says of a record, where it lets producers say so */
function start(seen: (record: LogRecord) => LogRecord = (record) => record): void {
  const batches: Log['batches'] = async function* (topic, options) {
    for await (const batch of log.batches(topic, options))
      yield {
        ...batch,
        partitions: batch.partitions.map((run) => ({ ...run, records: run.records.map(seen) })),
      }
  }
  const deps = { databaseUrl: database.url, logger: quiet, concurrency: 1 }
  running = createWorker({ ...deps, log: { ...log, batches } }).run(stop.signal)
}

/** Among good ones, on one partition. @returns what became of all of them */
async function sendAmongGoodOnes(hostile: readonly (string | Buffer)[]) {
  const records = hostile.flatMap((value): NewRecord[] => [
    { key: null, value: Buffer.from(value), partition: 0 },
    { ...rawRecord(), partition: 0 },
  ])
  for (let from = 0; from < records.length; from += 1_000)
    await log.append(TOPICS.raw.name, records.slice(from, from + 1_000))
  await expect.poll(applied, { timeout: 60_000 }).toBe(records.length)
  return countTotals(database.pool)
}

async function applied(): Promise<number> {
  const { rows } = await database.pool.query(
    "SELECT sum(next_offset)::int AS n FROM log_position WHERE topic = 'events.raw'",
  )
  return rows[0].n
}

/** A good record's members, and the event's, with these put over them. */
function record(over: object, event: object = {}): string {
  const good = JSON.parse(rawRecord({ event_id: uuidV7(Date.now()) }).value.toString())
  return JSON.stringify({ ...good, event: { ...good.event, ...event }, ...over })
}

const invalid = (fault: unknown) =>
  record({ refused: [fault], original: '{"a":1}', event: undefined })
/** Has no words of its own, and none can be made of it. */
const unspeakable = { toString: 1, valueOf: 1 }
const deep = `${'['.repeat(50_000)}${']'.repeat(50_000)}`

const HOSTILE: Record<string, () => string> = {
  'NUL in a key of properties': () => record({}, { properties: { 'a\0b': 'x\0' } }),
  'NUL in a key of context': () => record({}, { context: { 'a\0b': 1 } }),
  'NUL in a member of the record': () => record({ 'a\0b': 'c\0' }),
  'NUL in a member of the event': () => record({}, { 'a\0b': 'c\0' }),
  'NUL in the code of a fault': () => invalid({ code: 'A\0B', pointer: '', detail: 'x' }),
  'half a surrogate pair in a code': () => invalid({ code: '\ud800', pointer: '', detail: 'x' }),
  'a fault without words': () => invalid({ code: 'X', pointer: unspeakable, detail: unspeakable }),
  'a tenant with NUL': () => record({ tenant: 'a\0' }),
  'the year 0': () =>
    record({ historical: true }, { occurred_at: '0000-01-01T00:00:00Z', name: 'year_0' }),
  'received in the year 0': () => record({ received_at: '0000-01-01T00:00:00Z' }),
  'the end of all years': () =>
    record({ historical: true }, { occurred_at: '9999-12-31T23:59:59.999999Z' }),
  "the client's time in a list": () => record({}, { client_occurred_at: ['2026-01-01T00:00:00Z'] }),
  "the client's time in the year 0": () =>
    record({}, { client_occurred_at: '0000-01-01T00:00:00Z' }),
  'an original that is a number': () => record({ tenant: 'nobody', original: 5 }),
  'an original that is an object': () => record({ tenant: 'nobody', original: unspeakable }),
  'a visitor with NUL': () => record({ ua: 'a\0', geo: { country: 'DE', city: 'a\0b\x1f' } }),
  'a location with NUL': () => record({ geo: { country: 'DE', city: '\0a\x1f\ud800' } }),
  'a visitor without words': () => record({ ua: unspeakable, geo: { country: unspeakable } }),
  'a long and malformed address of a page': () =>
    record({}, { properties: { url: `?${'utm_source=%ff%&'.repeat(2_000)}`, referrer: deep } }),
  'deep properties': () => record({}, { properties: { a: 7 } }).replace('7', deep),
  'a deep member of the record': () => record({ x: 'deep' }).replace('"deep"', deep),
  '__proto__ everywhere': () =>
    record({}, { properties: { a: 1 } }).replaceAll('"a"', '"__proto__"'),
}

test('each hostile record is stored or becomes a dead letter, and every valid record next to it is stored', async () => {
  start()
  for (const [says, make] of Object.entries(HOSTILE)) {
    const before = await applied()
    await log.append(TOPICS.raw.name, [
      { ...rawRecord(), partition: 0 },
      { key: null, value: Buffer.from(make()), partition: 0 },
      { ...rawRecord(), partition: 0 },
    ])
    await expect.poll(applied, { message: says }).toBe(before + 3)
  }
  const { stored, dead, wrongRollups } = await countTotals(database.pool)
  expect(stored + dead).toBe(3 * Object.keys(HOSTILE).length)
  expect(stored).toBeGreaterThanOrEqual(2 * Object.keys(HOSTILE).length)
  expect(wrongRollups).toBe(0)
}, 120_000)

test('an id is the same in capitals and in small letters, in one batch and in two', async () => {
  start()
  const capitals = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'
  const send = async (...ids: string[]) => {
    const before = await applied()
    await log.append(
      TOPICS.raw.name,
      ids.map((event_id) => ({ ...rawRecord({ event_id }), partition: 0 })),
    )
    await expect.poll(applied).toBe(before + ids.length)
  }
  await send(capitals, capitals)
  await send(capitals)
  await send(capitals.toLowerCase())
  const small = uuidV7(Date.now())
  await send(small, small.toUpperCase())
  await send(small.toUpperCase(), small, uuidV7(Date.now()))
  expect(await countTotals(database.pool)).toMatchObject({
    stored: 3,
    duplicates: 6,
    dead: 0,
    double: 0,
  })
})

test('each generated record is stored or becomes a dead letter, whatever the log says of its time', async () => {
  console.info(`FUZZ_SEED=${SEED}`)
  const nasty = fc.oneof(
    anyJson,
    fc.constantFrom<unknown>('', 'a\0b', '\ud800', unspeakable, 'default', -1, [], {}),
    fc.constantFrom('0000-01-01T00:00:00Z', '0001-01-01T00:00:00Z', '9999-12-31T24:00:00Z'),
    fc
      .integer({ min: -3_000, max: 3_000 })
      .map((days) => new Date(Date.now() + days * DAY_MS).toISOString()),
    fc.string({ unit: 'binary', minLength: 200, maxLength: 600 }),
  )
  const members = (...names: string[]) =>
    fc.dictionary(fc.constantFrom(...names), nasty, { maxKeys: 2 })
  const made = fc.oneof(
    fc
      .tuple(
        members(
          ...['tenant', 'key', 'request_id', 'received_at', 'route', 'client', 'historical', 'v'],
          ...['ua', 'geo'],
        ),
        members('event_id', 'name', 'occurred_at', 'client_occurred_at', 'actor', 'value'),
        members('properties', 'context', 'schema_version', 'source', 'session', 'x'),
      )
      .map(([over, event, more]) => record(over, { ...event, ...more })),
    members('pointer', 'detail', 'code').map((fault) => invalid({ code: 'X', ...fault })),
    fc.dictionary(fc.constantFrom('original', 'base64', 'refused', 'tenant'), nasty).map(record),
    anyJson.map((value) => JSON.stringify(value)),
  )
  const timestamps = fc.sample(
    fc.oneof(
      { weight: 3, arbitrary: fc.constant(undefined) },
      fc.constantFrom(-1, 0, 2 ** 53, -(2 ** 53), 253_402_300_799_999),
      fc.integer({ min: -3_000, max: 3_000 }).map((days) => Date.now() + days * DAY_MS),
    ),
    { numRuns: RECORDS, seed: SEED },
  )
  start((found) => ({
    ...found,
    // Every second record is valid, and the log has its true time.
    timestamp:
      (found.offset % 2 === 0 && timestamps[(found.offset / 2) % RECORDS]) || found.timestamp,
  }))
  const hostile = fc.sample(made, { numRuns: RECORDS, seed: SEED })
  const totals = await sendAmongGoodOnes(hostile)
  const { stored, duplicates, conflicting, dead, wrongRollups, double } = totals
  expect(stored + duplicates + conflicting + dead).toBe(2 * RECORDS)
  expect([wrongRollups, double]).toEqual([0, 0])
  const { rows } = await database.pool.query(
    'SELECT count(*)::int AS n FROM event WHERE log_offset % 2 = 1',
  )
  expect(rows[0].n).toBe(RECORDS)
  // Else it would prove nothing.
  expect(dead).toBeGreaterThan(RECORDS / 4)
}, 120_000)

test('invented times create no day partitions, even where the log’s own timestamps confirm them', async () => {
  start((found) => {
    const { received_at } = JSON.parse(found.value.toString())
    return { ...found, timestamp: Date.parse(received_at) }
  })
  const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString()
  const times = [daysAgo(1_000), daysAgo(-3), '9999-12-31T23:59:59Z', '1970-01-01T00:00:00Z']
  const made = times.map((at) => record({ received_at: at }, { occurred_at: at }))
  expect(await sendAmongGoodOnes(made)).toMatchObject({ stored: 4, dead: 4 })
  const { rows } = await database.pool.query(
    "SELECT reason, received_at BETWEEN now() - interval '401 d' AND now() + interval '2 d' AS sane FROM dead_letter",
  )
  expect(rows).toEqual(times.map(() => ({ reason: 'RECEIVED_AT_OUT_OF_RANGE', sane: true })))
})

test('a worker whose machine has a wrong clock stores events by the clock of Postgres', async () => {
  for (const daysOff of [-3, 3]) {
    await log.append(TOPICS.raw.name, [{ ...rawRecord(), partition: 0 }])
    const all = (await applied()) + 1
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + daysOff * DAY_MS })
    onTestFinished(() => void vi.useRealTimers())
    start()
    await expect.poll(applied).toBe(all)
    stop.abort()
    await running
    stop = new AbortController()
    vi.useRealTimers()
  }
  expect(await countTotals(database.pool)).toMatchObject({ stored: 2, dead: 0 })
})

test('an unknown Postgres error costs the records at fault and no others', async () => {
  await database.pool.query(`
    CREATE FUNCTION reject_row() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'a transient error'; END $$;
    CREATE TRIGGER reject_row BEFORE INSERT ON dead_letter FOR EACH ROW
      WHEN (NEW.route = 'rejected' OR NEW.detail LIKE 'received_at%') EXECUTE FUNCTION reject_row();
    CREATE TRIGGER reject_row BEFORE INSERT ON rollup_15m FOR EACH ROW
      WHEN (NEW.min = 13) EXECUTE FUNCTION reject_row();
    CREATE TRIGGER reject_row BEFORE INSERT ON event FOR EACH ROW
      WHEN (NEW.name = 'rejected') EXECUTE FUNCTION reject_row();`)
  start()
  const made = [
    record({ tenant: 'nobody', route: 'rejected' }),
    record({}, { name: 'rejected' }),
    record({ route: 'rejected' }, { name: 'rejected' }),
    record({}, { value: 13 }),
    record({}),
  ]
  expect(await sendAmongGoodOnes(made)).toMatchObject({ stored: 6, dead: 4, wrongRollups: 0 })
  const { rows } = await database.pool.query(
    'SELECT reason, detail, route, original FROM dead_letter ORDER BY log_offset',
  )
  expect(rows.map(({ original }) => original.toString())).toEqual(made.slice(0, 4))
  const why = 'Postgres refused it: P0001 a transient error'
  for (const row of rows)
    expect(row).toMatchObject({ reason: 'UNSTORABLE', detail: why, route: null })
})

test('an unknown Postgres error for every record dead-letters none of them: all wait until it is fixed', async () => {
  await database.pool.query(`
    CREATE FUNCTION reject_row() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'a transient error'; END $$;
    CREATE TRIGGER reject_row BEFORE INSERT ON rollup_15m FOR EACH ROW EXECUTE FUNCTION reject_row();`)
  const errors: object[] = []
  const logger = { ...quiet, error: (fields: object) => errors.push(fields) }
  running = createWorker({ databaseUrl: database.url, log, logger, concurrency: 1 }).run(
    stop.signal,
  )
  await log.append(
    TOPICS.raw.name,
    Array.from({ length: 100 }, () => ({ ...rawRecord(), partition: 0 })),
  )
  await expect.poll(() => errors.length, { timeout: 20_000 }).toBeGreaterThan(3)
  expect(await countTotals(database.pool)).toMatchObject({ stored: 0, dead: 0 })
  await database.pool.query('DROP TRIGGER reject_row ON rollup_15m')
  await expect.poll(applied, { timeout: 20_000 }).toBe(100)
  expect(await countTotals(database.pool)).toMatchObject({ stored: 100, dead: 0, wrongRollups: 0 })
})

test('a program limit is a record’s fault where other records are written, and no record’s where none is', async () => {
  // 54000 stands for an index entry that is too large, and for a server that has run out of transaction ids.
  const full = (name: string, on: string, where: string) => `
    CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'too much' USING ERRCODE = '54000'; END $$;
    CREATE TRIGGER ${name} BEFORE INSERT ON ${on} ${where} EXECUTE FUNCTION ${name}();`
  await database.pool.query(full('refuse_all', 'rollup_15m', 'FOR EACH STATEMENT'))
  await database.pool.query(full('refuse', 'event', "FOR EACH ROW WHEN (NEW.name = 'large')"))
  const errors: object[] = []
  const logger = { ...quiet, error: (fields: object) => errors.push(fields) }
  running = createWorker({ databaseUrl: database.url, log, logger, concurrency: 1 }).run(
    stop.signal,
  )
  const ofNobody = record({ tenant: 'nobody', route: 'known' })
  await log.append(TOPICS.raw.name, [
    ...Array.from({ length: 20 }, () => ({ ...rawRecord(), partition: 0 })),
    { ...rawRecord({ name: 'large' }), partition: 0 },
    { key: null, value: Buffer.from(ofNobody), partition: 0 },
  ])
  await expect.poll(() => errors.length, { timeout: 20_000 }).toBeGreaterThan(3)
  expect(await countTotals(database.pool)).toMatchObject({ stored: 0, dead: 0 })
  await database.pool.query('DROP TRIGGER refuse_all ON rollup_15m')
  await expect.poll(applied, { timeout: 20_000 }).toBe(22)
  const { rows } = await database.pool.query(
    'SELECT reason, route FROM dead_letter ORDER BY log_offset',
  )
  expect(rows).toEqual([
    { reason: 'UNSTORABLE', route: null },
    { reason: 'TENANT_UNKNOWN', route: 'known' },
  ])
  expect(await countTotals(database.pool)).toMatchObject({ stored: 20, dead: 2, wrongRollups: 0 })
})

describe('an unknown error that ends by itself dead-letters no event', () => {
  /** Raises for rows of `where` in as many tries of a write; what a try has counted stays when it is rolled back. */
  async function failTransiently(on: string, where: string, tries: number): Promise<void> {
    const name = `failing_${on}_${tries}`
    await database.pool.query(`
      CREATE SEQUENCE ${name};
      CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF nextval('${name}') <= ${tries} THEN RAISE EXCEPTION 'a transient error'; END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER ${name} BEFORE INSERT ON ${on} ${where} EXECUTE FUNCTION ${name}();`)
  }
  async function send(names: string[]): Promise<void> {
    const before = await applied()
    await log.append(
      TOPICS.raw.name,
      names.map((name) => ({ ...rawRecord({ name }), partition: 0 })),
    )
    if (!running) start()
    await expect.poll(applied, { timeout: 20_000 }).toBe(before + names.length)
  }

  test('when it ends during the search for poison records', async () => {
    // The batch twice, and on the way down to the first event.
    await failTransiently('rollup_15m', 'FOR EACH STATEMENT', 8)
    await send(Array.from({ length: 16 }, () => 'page_view'))
    expect(await countTotals(database.pool)).toMatchObject({ stored: 16, dead: 0, wrongRollups: 0 })
  })

  test('when another one of its kind came before', async () => {
    await failTransiently('event', "FOR EACH ROW WHEN (NEW.name = 'first')", 1)
    // If the search began after the first failure, this would be enough: all, half of them, it, it again, and in the end.
    await failTransiently('event', "FOR EACH ROW WHEN (NEW.name = 'second')", 6)
    await send(['first'])
    await send(['second', 'a', 'b', 'c'])
    expect(await countTotals(database.pool)).toMatchObject({ stored: 5, dead: 0, wrongRollups: 0 })
  })
})
