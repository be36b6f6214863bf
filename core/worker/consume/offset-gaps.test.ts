import { afterEach, beforeEach, expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { countTotals, rawRecord, rawValue } from '../../../tests/lib/records.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import type { Log, NewRecord } from '../../log/log.ts'
import { encodeChunk } from '../../log/postgres/chunk.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { readLag } from '../../queries/pipeline/lag.ts'
import { replay } from '../replay/replay.ts'
import { createWorker } from '../worker.ts'
import { skipMissingOffsets } from './skip-offsets.ts'

let database: TestDatabase
let db: Database
let log: Log
let stop: AbortController
let running: Promise<void> | undefined
let errors: string[]
let alarms: string[]

beforeEach(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  db = createDatabase(database.url, { max: 2 })
  log = await createPostgresLog({ url: database.url })
  stop = new AbortController()
  errors = []
  alarms = []
})
afterEach(async () => {
  stop.abort()
  await running
  await log.close()
  await db.destroy()
  await database.drop()
})

function start(concurrency = 1): void {
  const logger = { info() {}, warn() {}, error: (_: object, text: string) => errors.push(text) }
  const onGap = ({ message }: Error) => alarms.push(message)
  running = createWorker({ databaseUrl: database.url, log, logger, concurrency, onGap }).run(
    stop.signal,
  )
}

/** One chunk each, so that a hole can be anywhere. */
async function append(records: NewRecord[]): Promise<void> {
  for (const record of records) await log.append(TOPICS.raw.name, [record])
}
/** Appends to partition 0 and deletes what is below an offset, in one transaction: no reader sees what is deleted. */
async function appendAndDelete(records: NewRecord[], below: number): Promise<void> {
  const client = await database.pool.connect()
  await client.query('BEGIN')
  for (const record of records)
    await client.query('SELECT log_append($1, ARRAY[0], ARRAY[1], ARRAY[$2::bytea])', [
      TOPICS.raw.name,
      encodeChunk([record], Date.now()),
    ])
  await client.query('DELETE FROM log_chunk WHERE partition = 0 AND base_offset < $1', [below])
  await client.query('COMMIT')
  client.release()
}

const on = (partition: number, count: number) =>
  Array.from({ length: count }, () => ({ ...rawRecord(), partition }))
const poison = (partition: number): NewRecord => ({ ...rawValue('{"v":1,'), partition })

async function positions(): Promise<number[]> {
  const { rows } = await database.pool.query(
    "SELECT next_offset::int AS at FROM log_position WHERE topic = 'events.raw' ORDER BY partition",
  )
  return rows.map(({ at }) => at)
}
const openGaps = async () => (await readLag(db, log)).gaps

test('a gap pauses its own partition alone, what came before it is kept, and once skipped it is passed at once', async () => {
  await append([...on(0, 10), ...on(1, 5), ...on(2, 5)])
  await database.pool.query(
    'DELETE FROM log_chunk WHERE partition = 0 AND base_offset BETWEEN 4 AND 6',
  )
  start()
  await expect.poll(positions).toEqual([4, 5, 5, 0, 0, 0])
  await expect.poll(openGaps).toMatchObject([{ partition: 0, expected: 4, available: 7 }])
  await append([...on(0, 1), ...on(1, 5), ...on(5, 3)])
  await expect.poll(positions).toEqual([4, 10, 5, 0, 0, 3])
  expect(errors).toEqual([expect.stringContaining('events are missing')])
  expect(alarms).toEqual([expect.stringContaining('3 records from offset 4')])

  const gaps = await openGaps()
  expect(await skipMissingOffsets(db, log, gaps)).toMatchObject([{ partition: 0, position: 7 }])
  await expect.poll(positions).toEqual([11, 10, 5, 0, 0, 3])
  expect(await openGaps()).toEqual([])
  // Somebody else who decides by the same list comes too late.
  expect(await skipMissingOffsets(db, log, gaps)).toEqual([])
  expect(await positions()).toEqual([11, 10, 5, 0, 0, 3])
  expect(await countTotals(database.pool)).toEqual({
    stored: 4 + 4 + 10 + 5 + 3,
    duplicates: 0,
    conflicting: 0,
    dead: 0,
    wrongRollups: 0,
    double: 0,
  })
})

test('a partition that resumed behind its gap is read like any other, and not restarted every few seconds', async () => {
  let reads = 0
  const counted: Log = {
    ...log,
    batches(topic, options) {
      reads++
      return log.batches(topic, options)
    },
  }
  const logger = { info() {}, warn() {}, error() {} }
  const deps = { databaseUrl: database.url, log: counted, logger, concurrency: 1 }
  await append(on(0, 5))
  await database.pool.query('DELETE FROM log_chunk WHERE partition = 0 AND base_offset = 2')
  running = createWorker(deps).run(stop.signal)
  await expect.poll(openGaps).toHaveLength(1)
  await skipMissingOffsets(db, log, await openGaps())
  await expect.poll(positions).toEqual([5, 0, 0, 0, 0, 0])
  const until = reads
  // It is looked for decisions twice meanwhile.
  await new Promise((resolve) => setTimeout(resolve, 2.5 * LIMITS.workerHeartbeatMs))
  expect(reads).toBe(until)
  await append(on(0, 1))
  await expect.poll(positions).toEqual([6, 0, 0, 0, 0, 0])
})

test('a consumer with a gap in all its partitions waits, and ends when it is stopped', async () => {
  await append([0, 1, 2, 3, 4, 5].flatMap((partition) => on(partition, 2)))
  await database.pool.query('DELETE FROM log_chunk WHERE base_offset = 0')
  start(2)
  await expect.poll(openGaps).toHaveLength(6)
  const [first, ...others] = await openGaps()
  await skipMissingOffsets(db, log, first ? [first] : [])
  await expect.poll(positions).toEqual([2, 0, 0, 0, 0, 0])
  expect(await openGaps()).toEqual(others)
  stop.abort()
  await running
})

test('an unreadable partition pauses no other one, and is logged as an error', async () => {
  await append([...on(0, 3), ...on(1, 3)])
  await database.pool.query(
    'UPDATE log_chunk SET body = substring(body FOR 12) WHERE partition = 0 AND base_offset = 0',
  )
  start()
  await expect.poll(positions).toEqual([0, 3, 0, 0, 0, 0])
  await append(on(1, 3))
  await expect.poll(positions).toEqual([0, 6, 0, 0, 0, 0])
  expect(errors).toEqual([expect.stringContaining('cannot be read')])
  expect(await openGaps()).toEqual([])
})

test('records read before a gap are written, although the read that met it failed', async () => {
  await append(on(0, 3))
  // A write that takes long: the read that meets the gap fails meanwhile.
  await database.pool.query('INSERT INTO series (tenant_id, metric) VALUES (1, $1)', ['page_view'])
  const slow = await database.pool.connect()
  await slow.query('BEGIN; LOCK rollup_15m IN ACCESS EXCLUSIVE MODE')
  start()
  // The batch, which locks its position first: what derives hours and sketches waits for the table too, maybe before.
  await expect
    .poll(async () => {
      const { rows } = await database.pool.query(
        `SELECT FROM pg_locks w JOIN pg_locks p USING (pid)
          WHERE NOT w.granted AND w.relation = 'rollup_15m'::regclass
            AND p.granted AND p.relation = 'log_position'::regclass AND p.mode = 'RowExclusiveLock'`,
      )
      return rows.length
    })
    .toBe(1)
  await appendAndDelete(on(0, 3), 5)
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  await slow.query('COMMIT')
  slow.release()
  await expect.poll(openGaps).toMatchObject([{ partition: 0, expected: 3, available: 5 }])
  expect(await countTotals(database.pool)).toMatchObject({ stored: 3, wrongRollups: 0 })
  expect(errors).toHaveLength(1)
})

test('on a recreated log dead letters are stored beside those of the former log', async () => {
  start()
  await append([poison(0), ...on(0, 3), poison(0)])
  await expect.poll(positions).toEqual([5, 0, 0, 0, 0, 0])
  stop.abort()
  await running
  await database.pool.query(
    'DELETE FROM log_chunk; UPDATE log_partition SET next_offset = 0 WHERE partition = 0',
  )
  await append([rawRecord({ name: 'new' })].map((record) => ({ ...record, partition: 0 })))
  stop = new AbortController()
  start()
  await expect.poll(openGaps).toMatchObject([{ partition: 0, expected: 5, available: 1 }])
  await skipMissingOffsets(db, log, await openGaps())
  await append([...on(0, 3), { ...rawRecord({ tenant: 'later' }), partition: 0 }])
  await append(on(0, 1))
  await expect.poll(positions).toEqual([6, 0, 0, 0, 0, 0])
  const { rows } = await database.pool.query(
    'SELECT topic, log_offset::int AS at, reason FROM dead_letter ORDER BY dead_letter_id',
  )
  const former = expect.stringMatching(/^events\.raw@\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  expect(rows).toEqual([
    { topic: former, at: 0, reason: 'NOT_JSON' },
    { topic: former, at: 4, reason: 'NOT_JSON' },
    { topic: 'events.raw', at: 4, reason: 'TENANT_UNKNOWN' },
  ])
  expect(await countTotals(database.pool)).toMatchObject({ stored: 8, dead: 3, wrongRollups: 0 })

  // Nor does a replay take one for the other: at 0 there was a dead letter once.
  await database.pool.query('TRUNCATE event, rollup_15m')
  const read = { databaseUrl: database.url, log, signal: AbortSignal.timeout(20_000) }
  expect(await replay({ ...read, ranges: [{ partition: 0, from: 0, to: 6 }] })).toMatchObject({
    stored: 5,
    recovered: 0,
    unchanged: 1,
    dead: 0,
  })
})

test('a gap can be skipped however many dead letters the former log has left', async () => {
  await database.pool.query(`
    UPDATE log_position SET next_offset = 9000 WHERE partition = 0;
    INSERT INTO dead_letter (reason, detail, fingerprint, original, topic, partition, log_offset, received_at, forwarded_at)
    SELECT 'NOT_JSON', '', '', 'x', 'events.raw', partition, 2 * n, now(), now()
      FROM generate_series(0, 4499) n, generate_series(0, 1) partition;
    CREATE FUNCTION count_rows() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      -- As if there were so many more that it took too long.
      IF (SELECT count(*) FROM changed) > 2000 THEN
        RAISE EXCEPTION 'canceling statement due to statement timeout' USING ERRCODE = '57014';
      END IF;
      RETURN NULL;
    END $$;
    CREATE TRIGGER count_rows AFTER UPDATE ON dead_letter REFERENCING NEW TABLE AS changed
      FOR EACH STATEMENT EXECUTE FUNCTION count_rows();`)
  start()
  await expect.poll(openGaps).toMatchObject([{ partition: 0, expected: 9_000, available: 0 }])
  expect(await skipMissingOffsets(db, log, await openGaps())).toMatchObject([{ position: 0 }])
  const { rows } = await database.pool.query(
    `SELECT partition, count(*)::int AS "deadLetters", topic = 'events.raw' AS here, count(DISTINCT topic)::int AS topics FROM dead_letter GROUP BY 1, 3`,
  )
  expect(rows).toEqual([
    { partition: 0, deadLetters: 4_500, here: false, topics: 1 },
    { partition: 1, deadLetters: 4_500, here: true, topics: 1 },
  ])
})
