import { afterEach, beforeEach, expect, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { countTotals, rawRecord } from '../../../tests/lib/records.ts'
import type { Log } from '../../log/log.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { createWorker } from '../worker.ts'

let database: TestDatabase
let log: Log
let stop: AbortController
let running: Promise<void>
let errors: object[]

beforeEach(async () => {
  database = await createTestDatabase()
  log = await createPostgresLog({ url: database.url })
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default'), ('other')")
  stop = new AbortController()
  errors = []
})
afterEach(async () => {
  stop.abort()
  await running
  await log.close()
  await database.drop()
})

function start(): void {
  const logger = { info() {}, warn() {}, error: (fields: object) => errors.push(fields) }
  const deps = { databaseUrl: database.url, log, logger, concurrency: 1 }
  running = createWorker(deps).run(stop.signal)
}

async function positions(): Promise<number[]> {
  const { rows } = await database.pool.query(
    "SELECT next_offset::int AS at FROM log_position WHERE topic = 'events.raw' ORDER BY partition LIMIT 2",
  )
  return rows.map(({ at }) => at)
}
const on = (partition: number, fields = {}) => ({ ...rawRecord(fields), partition })

test('records whose key is there although no look-up finds it become dead letters, and stop no partition', async () => {
  // Unique by something that the look-up does not know.
  await database.pool.query('CREATE TABLE only_once (session text PRIMARY KEY)')
  await database.pool.query(`
    CREATE FUNCTION once() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO only_once SELECT NEW.session WHERE NEW.session IS NOT NULL; RETURN NEW; END $$;
    CREATE TRIGGER once BEFORE INSERT ON event FOR EACH ROW EXECUTE FUNCTION once();
    INSERT INTO only_once VALUES ('there')`)
  await log.append(TOPICS.raw.name, [
    ...Array.from({ length: 30 }, () => on(0)),
    on(0, { session: 'there' }),
    on(0, { session: 'twice' }),
    ...Array.from({ length: 30 }, () => on(0)),
    on(0, { session: 'twice' }),
    ...Array.from({ length: 20 }, () => on(1, { tenant: 'other' })),
  ])
  start()
  await expect.poll(positions, { timeout: 20_000 }).toEqual([63, 20])
  expect(await countTotals(database.pool)).toMatchObject({ stored: 81, dead: 2, wrongRollups: 0 })
  const { rows } = await database.pool.query(
    'SELECT reason, log_offset::int AS at FROM dead_letter ORDER BY log_offset',
  )
  expect(rows).toEqual([
    { reason: 'UNSTORABLE', at: 30 },
    { reason: 'UNSTORABLE', at: 62 },
  ])
})

test('when the ids of series run out no event becomes a dead letter, the error is logged, and the partition goes on when there are ids again', async () => {
  const sequence = "pg_get_serial_sequence('series', 'series_id')"
  const { rows } = await database.pool.query(
    `SELECT seqmax::text AS max FROM pg_sequence WHERE seqrelid = ${sequence}::regclass`,
  )
  await database.pool.query(`SELECT setval(${sequence}, ${rows[0].max})`)
  await log.append(TOPICS.raw.name, [on(0, { name: 'new' }), on(0, { name: 'newer' })])
  start()
  await expect
    .poll(() => errors)
    .toContainEqual(expect.objectContaining({ code: '2200H', failures: 2 }))
  expect(await positions()).toEqual([0, 0])
  await database.pool.query(`SELECT setval(${sequence}, 1)`)
  await expect.poll(positions, { timeout: 20_000 }).toEqual([2, 0])
  expect(await countTotals(database.pool)).toMatchObject({ stored: 2, dead: 0 })
})

test('a batch that Postgres cannot finish in time is tried again at half its size', async () => {
  await database.pool.query(`
    CREATE FUNCTION too_slow() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF (SELECT count(*) FROM added) > 1000 THEN
        RAISE EXCEPTION 'canceling statement due to statement timeout' USING ERRCODE = '57014';
      END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER too_slow AFTER INSERT ON event REFERENCING NEW TABLE AS added
      FOR EACH STATEMENT EXECUTE FUNCTION too_slow()`)
  for (let i = 0; i < 10; i++)
    await log.append(
      TOPICS.raw.name,
      Array.from({ length: 500 }, () => on(0)),
    )
  start()
  await expect.poll(positions, { timeout: 20_000 }).toEqual([5_000, 0])
  expect(await countTotals(database.pool)).toMatchObject({ stored: 5_000, double: 0 })
})
