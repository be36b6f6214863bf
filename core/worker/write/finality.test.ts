import { randomInt } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { rawRecord } from '../../../tests/lib/records.ts'
import { mulberry32 } from '../../../tools/demo/traffic.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { createDayPartitions, DAY_MS } from '../../db/day-partitions.ts'
import { setTenant } from '../../identity/tenants.ts'
import { type TenantViewer, tenantViewer } from '../../identity/viewer.ts'
import type { LogBatch, LogRecord } from '../../log/log.ts'
import { eventsOverTime } from '../../queries/metrics/events-over-time.ts'
import type { ExecuteQuery } from '../consume/connection.ts'
import { decodeBatch } from '../decode/decode.ts'
import { createTenants } from '../decode/tenant-settings.ts'
import { applyBatch, type WriteDeps } from './apply-batch.ts'
import { publishFinality } from './finality.ts'
import { createMetricDirectory } from './metric-directory.ts'
import { advancePositions, holdPositions } from './positions.ts'
import { createRowEncoder } from './row-encoder.ts'
import { createSeriesDirectory } from './series.ts'

/**
 * Whatever happens, a bucket that was called final keeps its value, or shows a mark: more late events than the answer
 * said, or another time of revision. FINALITY_SEED repeats a run; FINALITY_ANSWERS asks for more answers.
 */
const SEED = Number(process.env.FINALITY_SEED ?? randomInt(1_000_000))
const ANSWERS = Number(process.env.FINALITY_ANSWERS ?? 20_000)
const PARTITIONS = 4
const TENANTS = ['a', 'b']
const NAMES = ['page_view', 'order']
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const START_MS = Math.floor(Date.now() / DAY_MS) * DAY_MS - 21 * DAY_MS
/** Time in the model goes at most this far. */
const LENGTH_MS = 20 * DAY_MS

const roll = mulberry32(SEED)
const below = (max: number) => Math.floor(roll() * max)
const pick = <T>(choices: readonly T[]) => choices[below(choices.length)] as T
const chance = (share: number) => roll() < share

let database: TestDatabase
let db: Database
let viewers: TenantViewer[]
let execute: ExecuteQuery
let nowMs = START_MS
let ended = false
/** The log, by partition; offsets are indices. */
const log: LogRecord[][] = Array.from({ length: PARTITIONS }, () => [])
/** Records that were given up at a gap, and may be replayed. */
const skipped: LogRecord[] = []

beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 4 })
  execute = (sql, values) => database.pool.query(sql, values)
  for (const tenant of TENANTS)
    await database.pool.query(
      'INSERT INTO tenant (slug, allowed_lateness_s, event_age_max_s) VALUES ($1, 1800, 31536000)',
      [tenant],
    )
  viewers = await Promise.all(
    TENANTS.map((tenant) => tenantViewer(db, { kind: 'SESSION' }, tenant)),
  )
  const topic = TOPICS.raw.name
  await database.pool.query(`DELETE FROM log_lease; DELETE FROM log_position;
    INSERT INTO log_lease (topic, partition, applied_through) SELECT '${topic}', p, to_timestamp(${START_MS / 1000}) FROM generate_series(0, ${PARTITIONS - 1}) p;
    INSERT INTO log_position (topic, partition, next_offset) SELECT '${topic}', p, 0 FROM generate_series(0, ${PARTITIONS - 1}) p`)
  const days = Array.from({ length: 24 }, (_, i) => Math.floor(START_MS / DAY_MS) - 1 + i)
  await createDayPartitions({ pool: database.pool, table: 'event' }).ensure(days)
})
afterAll(async () => {
  await db.destroy()
  await database.drop()
})

/** Who sends at the moment. A tenant that was silent for hours sends old and new events at once. */
let active = [...TENANTS]

/** Time goes on in steps of up to an hour; events occur up to a day before, and a few are imports. */
function produce(): void {
  const step = chance(0.05) ? below(HOUR_MS) : below(2 * MINUTE_MS)
  nowMs = Math.min(nowMs + step, START_MS + LENGTH_MS)
  if (chance(0.1)) {
    nowMs = Math.min(nowMs + below(3 * HOUR_MS), START_MS + LENGTH_MS)
    active = pick([TENANTS, ['a'], ['b']])
  }
  for (let i = below(12); i > 0; i--) {
    const partition = below(PARTITIONS)
    const agoMs = chance(0.7) ? below(10 * MINUTE_MS) : below(chance(0.5) ? 2 * HOUR_MS : DAY_MS)
    const record = rawRecord({
      tenant: pick(active),
      name: pick(NAMES),
      value: below(100),
      // A duplicate now and then.
      event_id: `event-${below(20_000)}`,
      occurred_at: new Date(nowMs - agoMs).toISOString(),
      received_at: new Date(nowMs).toISOString(),
      ...(chance(0.05) && { historical: true as const }),
    })
    const partitionLog = log[partition] as LogRecord[]
    // The clock of the gateway that appends it may be wrong by an hour.
    const skewMs = chance(0.1) ? below(2 * HOUR_MS) - HOUR_MS : 0
    partitionLog.push({
      ...record,
      partition,
      offset: partitionLog.length,
      timestamp: nowMs + skewMs,
    })
  }
}

/** A consumer of some partitions over a connection that may be held before its commit, or cut. */
async function consume(partitions: readonly number[]): Promise<void> {
  while (!ended) {
    const client = new pg.Client({ connectionString: database.url })
    client.on('error', () => {})
    await client.connect()
    const send = client.query.bind(client) as (...sent: unknown[]) => Promise<unknown>
    const sendLate = async (...sent: unknown[]) => {
      if (chance(0.3)) await sleep(below(40))
      if (chance(0.02)) await client.end()
      return await send(...sent)
    }
    client.query = ((...sent: unknown[]) =>
      sent[0] === 'COMMIT' ? sendLate(...sent) : send(...sent)) as typeof client.query
    try {
      while (!ended) {
        if (chance(0.03) && skipped.length > 0) await replay(client)
        else await consumeOnce(client, pick(partitions))
      }
    } catch {
      // Cut, or fenced by a gap: a consumer begins again from the positions.
    } finally {
      await client.end().catch(() => {})
    }
  }
}

async function consumeOnce(client: pg.Client, partition: number): Promise<void> {
  const { rows } = await database.pool.query(
    'SELECT next_offset::int AS next FROM log_position WHERE partition = $1',
    [partition],
  )
  const next = rows[0].next as number
  const records = (log[partition] as LogRecord[]).slice(next, next + 1 + below(60))
  if (records.length === 0) return await sleep(1)
  if (chance(0.02)) return await skip(partition, next, records)
  await apply(client, batchOf(records), 'advance')
}

/** As `sluice offsets skip` does: the records are given up. */
async function skip(partition: number, next: number, records: LogRecord[]): Promise<void> {
  await database.pool.query(
    'UPDATE log_position SET next_offset = $3 WHERE partition = $1 AND next_offset = $2',
    [partition, next, next + records.length],
  )
  skipped.push(...records)
}

async function replay(client: pg.Client): Promise<void> {
  const [record] = skipped.splice(below(skipped.length), 1)
  if (record) await apply(client, batchOf([record]), 'hold')
}

function batchOf(records: readonly LogRecord[]): LogBatch {
  const first = records[0] as LogRecord
  const run = {
    partition: first.partition,
    baseOffset: first.offset,
    nextOffset: first.offset + records.length,
    records,
  }
  return { partitions: [run], recordCount: records.length }
}

async function apply(client: pg.Client, batch: LogBatch, position: 'advance' | 'hold') {
  const tenants = createTenants(execute)
  const series = createSeriesDirectory(execute)
  const decoded = await decodeBatch(batch, tenants, new Map(), {
    nowMs: START_MS + LENGTH_MS,
    ageDaysMax: 30,
  })
  await series.learn(decoded.flatMap((item) => (item.kind === 'event' ? [item.row] : [])))
  const deps: WriteDeps = {
    client,
    topic: TOPICS.raw.name,
    tenants,
    series,
    metrics: createMetricDirectory(execute),
    encode: createRowEncoder(),
  }
  await applyBatch(deps, batch, decoded, { position, beforeCommit() {} })
}

/** What the worker does with each heartbeat, by the time of the model: applied through is what was read before the ends. */
async function track(): Promise<void> {
  let before: { atMs: number; ends: number[] } | undefined
  while (!ended) {
    const { rows } = await database.pool.query(
      'SELECT partition, next_offset::int AS next FROM log_position ORDER BY partition',
    )
    if (before)
      for (const { partition, next } of rows)
        if (next >= (before.ends[partition] as number))
          await database.pool.query(
            `UPDATE log_lease SET applied_through = greatest(applied_through, to_timestamp($2)) WHERE partition = $1`,
            [partition, before.atMs / 1000],
          )
    before = { atMs: nowMs, ends: log.map(({ length }) => length) }
    await publishFinality(execute, TOPICS.raw.name)
    await sleep(below(10))
  }
}

async function changeLateness(): Promise<void> {
  while (!ended) {
    await sleep(20 + below(100))
    const allowedLatenessS = pick([0, 900, 1800, 3600, 4 * 3600])
    await setTenant(db, pick(TENANTS), { allowedLatenessS })
  }
}

/** Records that no consumer has applied yet. */
async function readBacklog(): Promise<number> {
  const { rows } = await execute('SELECT sum(next_offset)::int AS applied FROM log_position', [])
  return log.reduce((total, { length }) => total + length, 0) - (rows[0]?.applied as number)
}

interface Point {
  value: number
  lateCount: number
  revisedAt: string | null
}
interface Answer {
  tenant: number
  name: string
  finalThroughMs: number
  /** Every bucket of the answer that was final, by its start. */
  final: Map<number, Point>
}
const answers: Answer[] = []
let answered = 0
/** The newest answer of a tenant and a name, and how many final buckets had another value in the next one. */
const newest = new Map<string, Answer>()
let changesSeen = 0
/** Answers that are kept at most, if no final bucket changes. */
const ANSWERS_MAX = 50 * ANSWERS

async function ask(
  tenant: number,
  name: string,
): Promise<{ points: Map<number, Point & { isFinal: boolean }>; finalThroughMs: number }> {
  const { rows, info } = await eventsOverTime(db, viewers[tenant] as TenantViewer, {
    name,
    startTime: new Date(START_MS - 2 * DAY_MS).toISOString(),
    endTime: new Date(START_MS + LENGTH_MS + DAY_MS).toISOString(),
    interval: 'QUARTER_HOUR',
    aggregate: 'SUM',
  })
  return {
    points: new Map(rows.map((row) => [Date.parse(row.timestamp), row])),
    finalThroughMs: info.finalThrough ? Date.parse(info.finalThrough) : Number.NEGATIVE_INFINITY,
  }
}

/** On a busy machine readers may have all their answers before the first late event: they ask until one was applied. */
async function read(): Promise<void> {
  while (answered < ANSWERS || (changesSeen === 0 && answered < ANSWERS_MAX)) {
    const tenant = below(TENANTS.length)
    const name = pick(NAMES)
    const { points, finalThroughMs } = await ask(tenant, name)
    const final = new Map([...points].filter(([, { isFinal }]) => isFinal))
    const answer = { tenant, name, finalThroughMs, final }
    const before = newest.get(`${tenant} ${name}`)
    for (const [bucketMs, { value }] of before?.final ?? [])
      if (points.has(bucketMs) && points.get(bucketMs)?.value !== value) changesSeen++
    newest.set(`${tenant} ${name}`, answer)
    answers.push(answer)
    answered += final.size
    await sleep(below(15))
  }
}

/** How each event came is what rollups count: late ones, and others only where they are none. */
async function expectMarksOfEvents() {
  const { rows } = await database.pool.query(`
    SELECT (SELECT sum(late_count)::int FROM rollup_15m) AS late, count(*) FILTER (WHERE arrival = 'l')::int AS marked,
           count(*) FILTER (WHERE arrival = 'i')::int AS imports, count(*) FILTER (WHERE arrival = 'u')::int AS unrecorded,
           count(*) FILTER (WHERE arrival = 'r')::int AS replays
      FROM event`)
  const { late, marked, imports, unrecorded, replays } = rows[0]
  expect(imports).toBeGreaterThan(0)
  expect(unrecorded).toBe(0)
  // Those of a replay may be late as well.
  expect(late - marked).toBeGreaterThanOrEqual(0)
  expect(late - marked).toBeLessThanOrEqual(replays)
}

test(`a bucket called final keeps its value or is marked, in ${ANSWERS} answers amid consumers, kills, replays, imports and clocks (seed ${SEED})`, {
  timeout: 300_000,
}, async () => {
  const producing = (async () => {
    while (!ended) {
      if ((await readBacklog()) < 300) produce()
      await sleep(1)
    }
  })()
  const others = [consume([0, 1]), consume([2, 3]), consume([0, 2]), track(), changeLateness()]
  await Promise.all([read(), read()])
  ended = true
  await Promise.all([producing, ...others])
  await expectMarksOfEvents()

  let changed = 0
  for (const tenant of TENANTS.keys())
    for (const name of NAMES) {
      const { points } = await ask(tenant, name)
      for (const answer of answers.filter((each) => each.tenant === tenant && each.name === name))
        for (const [bucketMs, now] of points) {
          if (bucketMs + 15 * MINUTE_MS > answer.finalThroughMs) continue
          const then = answer.final.get(bucketMs) ?? { value: 0, lateCount: 0, revisedAt: null }
          if (then.value === now.value) continue
          changed++
          const isMarked = now.lateCount > then.lateCount || now.revisedAt !== then.revisedAt
          if (!isMarked)
            expect.fail(
              `seed ${SEED}: ${name} at ${new Date(bucketMs).toISOString()} was ${JSON.stringify(then)}, is ${JSON.stringify(now)}`,
            )
        }
    }
  // Else the test would prove nothing.
  expect(answered).toBeGreaterThanOrEqual(ANSWERS)
  expect(changed).toBeGreaterThan(0)
})

test('a batch has its transaction id before it reads what is final', async () => {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  const batch = batchOf([
    { ...rawRecord(), partition: 0, offset: log[0]?.length ?? 0, timestamp: nowMs },
  ])
  for (const take of [advancePositions, holdPositions]) {
    const [run] = batch.partitions
    const at = take === advancePositions ? run?.baseOffset : run?.nextOffset
    await database.pool.query('UPDATE log_position SET next_offset = $1 WHERE partition = 0', [at])
    await take(client, TOPICS.raw.name, batch, [])
    const { rows } = await client.query(
      'SELECT pg_current_xact_id_if_assigned() IS NOT NULL AS has',
    )
    expect(rows).toEqual([{ has: true }])
    await client.query('ROLLBACK')
  }
  await client.end()
})

test('a transaction that had its id before a snapshot, and none has ended since, holds it back', async () => {
  const [first, second] = await Promise.all(
    [1, 2].map(async () => {
      const client = new pg.Client({ connectionString: database.url })
      await client.connect()
      return client
    }),
  )
  const readPublished = async () =>
    (await database.pool.query('SELECT published_snapshot::text AS at FROM finality')).rows[0].at
  for (const _ of [1, 2]) await publishFinality(execute, TOPICS.raw.name)
  await first?.query('BEGIN; SELECT pg_current_xact_id()')
  await second?.query('BEGIN')
  const secondId = (await second?.query('SELECT pg_current_xact_id()::text AS id'))?.rows[0].id
  await first?.query('COMMIT')
  // What was proposed before either of them is published as soon as other databases let it.
  const isProposedAfter = async () => {
    await publishFinality(execute, TOPICS.raw.name)
    const proposed = 'SELECT coalesce(pending_xid > $1::xid8, false) AS is FROM finality'
    return (await database.pool.query(proposed, [secondId])).rows[0].is
  }
  await expect.poll(isProposedAfter, { timeout: 30_000 }).toBe(true)
  const before = await readPublished()
  for (const _ of [1, 2, 3]) await publishFinality(execute, TOPICS.raw.name)
  expect(await readPublished()).toBe(before)
  await second?.query('COMMIT')
  // Other databases of the cluster have transactions too.
  const publish = async () => {
    await publishFinality(execute, TOPICS.raw.name)
    return readPublished()
  }
  await expect.poll(publish, { timeout: 30_000 }).not.toBe(before)
  await Promise.all([first?.end(), second?.end()])
})
