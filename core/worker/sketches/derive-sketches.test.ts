import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  createQueryFixture,
  type FixtureEvent,
  type QueryFixture,
} from '../../api/graphql/testing/fixture.ts'
import { listen } from '../../db/listen.ts'
import { type TenantViewer, tenantViewer } from '../../identity/viewer.ts'
import { DDSketch } from '../../lib/sketches/ddsketch.ts'
import { eventsOverTime } from '../../queries/metrics/events-over-time.ts'
import type { MetricsInput } from '../../queries/metrics/metrics-args.ts'
import { createSketchDerivation } from './derive-sketches.ts'
import { isDroppable } from './droppable-days.ts'
import { findRevisedBuckets } from './revised-buckets.ts'

let fixture: QueryFixture
let viewer: TenantViewer
const sql = async (text: string) => (await fixture.database.pool.query(text)).rows
const derivation = (options = {}) =>
  createSketchDerivation({ pool: fixture.database.pool, graceMs: 0, ...options })

const START = Date.parse('2026-11-18T00:00:00Z')
const at = (minutes: number) => new Date(START + minutes * 60_000).toISOString()

/** Two days and some hours; the last hours are open. */
function someEvents(): FixtureEvent[] {
  return Array.from({ length: 700 }, (_, i) => ({
    name: `name_${i % 3}`,
    actor: `actor-${(i * 7) % 150}`,
    value: (i % 90) + 1,
    occurredAt: at(i * 5),
    receivedAt: at(i * 5),
  }))
}

/** As a worker stores it: the bucket was final, so its rollup is marked. */
async function storeLate(event: FixtureEvent, receivedAt = at(3_500)): Promise<void> {
  await fixture.store('default', [{ ...event, receivedAt, late: true }])
  await sql(
    'UPDATE rollup_15m SET revised_at = clock_timestamp() WHERE late_count > 0 AND revised_at IS NULL',
  )
}

beforeAll(async () => {
  fixture = await createQueryFixture()
  viewer = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'default')
})
afterAll(() => fixture.close())

beforeEach(async () => {
  await sql(`TRUNCATE event, rollup_15m, sketch, sketch_progress, watermark, rollup_long, rollup_long_progress;
             UPDATE sketch_revision SET checked_to = '-infinity', pending_at = NULL, pending_xid = NULL`)
  await fixture.store('default', someEvents())
})

const tableContents = () =>
  sql(`SELECT tenant_id, series_id, minutes, bucket, count, rollup_count, late_count, actors, quantiles
         FROM sketch ORDER BY 1, 2, 3, 4`)

const RANGE = { startTime: at(0), endTime: at(2 * 1_440) }
const totalOf = async (args: Partial<MetricsInput> = {}) => {
  const { rows, source } = await eventsOverTime(fixture.db, viewer, {
    name: '*',
    ...RANGE,
    aggregate: 'UNIQUES',
    interval: 'TOTAL',
    ...args,
  })
  return { value: rows[0]?.value, late: rows[0]?.lateCount, source }
}

describe('sketches', () => {
  test('are derived of whole hours that are final, up to the watermark and no further', async () => {
    expect(await derivation().run()).toMatchObject({ isComplete: true })
    // The last event is at 58:15 hours, and the lateness is less than an hour.
    const [progress] = await sql('SELECT derived_through FROM sketch_progress')
    expect((START + 58 * 3_600_000 - progress.derived_through.getTime()) / 3_600_000).toBeOneOf([
      0, 1,
    ])
    expect(
      await sql('SELECT FROM sketch WHERE bucket >= (SELECT derived_through FROM sketch_progress)'),
    ).toEqual([])
    expect(await derivation().run()).toMatchObject({ derived: 0, isComplete: true })
  })

  test('are the same whether they are derived at once, in small steps, or as hours become final', async () => {
    await derivation().run()
    const atOnce = await tableContents()
    await sql('TRUNCATE sketch, sketch_progress')
    await derivation({ eventsMax: 5 }).run()
    expect(await tableContents()).toEqual(atOnce)
    await sql('TRUNCATE sketch, sketch_progress')
    const [{ highest_at: highest }] = await sql('SELECT highest_at FROM watermark')
    for (const minutes of [90, 700, 1_500, 1_501]) {
      await sql(`UPDATE watermark SET highest_at = '${at(minutes)}'`)
      await derivation().run()
    }
    await sql(`UPDATE watermark SET highest_at = '${highest.toISOString()}'`)
    await derivation().run()
    expect(await tableContents()).toEqual(atOnce)
  })

  test('have half of the time of a run, though hours and days of rollups have more to do than that', async () => {
    await sql(`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.6); RETURN NEW; END';
               CREATE TRIGGER slow BEFORE INSERT ON rollup_long_progress FOR EACH ROW EXECUTE FUNCTION slow()`)
    try {
      // Days of rollups: three, each of them longer than half of this.
      const run = await derivation().run({ msMax: 1_000 })
      expect(run).toMatchObject({ isComplete: false })
      expect(run.longDerived).toBeGreaterThan(0)
      expect(run.derived).toBeGreaterThan(0)
      const [{ days }] = await sql(
        'SELECT count(*)::int AS days FROM rollup_long WHERE minutes = 1440 AND series_id = 0',
      )
      expect(days).toBe(1)
    } finally {
      await sql('DROP FUNCTION slow CASCADE')
    }
  })

  test('are derived again after a late event, which a cached result learns of', async () => {
    await derivation().run()
    expect(await totalOf()).toEqual({ value: 150, late: 0, source: 'sketch' })
    const notified: (string | undefined)[] = []
    const listener = listen({
      url: fixture.database.url,
      channel: 'sluice_changed_buckets',
      name: 'test',
      onNotification: (payload) => notified.push(payload),
      onError() {},
    })
    await expect.poll(() => listener.up).toBe(true)
    await storeLate({ name: 'name_1', actor: 'late-actor', value: 1e6, occurredAt: at(600) })
    notified.length = 0
    expect(await derivation().run()).toMatchObject({ isComplete: true })
    expect(await totalOf()).toEqual({ value: 151, late: 1, source: 'sketch' })
    expect(await totalOf({ aggregate: 'P99', name: 'name_1' })).toMatchObject({ late: 1 })
    await expect.poll(() => notified.length).toBeGreaterThan(0)
    await listener.close()
    expect(await derivation().run()).toMatchObject({ derived: 0, isComplete: true })
  })

  test('miss no event of a transaction that was open while others were derived', async () => {
    await derivation().run()
    const slow = await fixture.database.pool.connect()
    try {
      await slow.query('BEGIN')
      const [{ series_id: series }] = await sql(
        "SELECT series_id FROM series WHERE metric = 'name_0'",
      )
      // As a batch: its id first, and its own time as the mark.
      await slow.query('UPDATE log_position SET next_offset = next_offset')
      await slow.query(`
        INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, name, actor, properties, log_partition, log_offset)
        VALUES (1, gen_random_uuid(), '${at(3_500).slice(0, 10)}', '${at(3_500)}', '${at(30)}', 'name_0', 'slow', '{}', 0, 1e9)`)
      await slow.query(`
        UPDATE rollup_15m SET count = count + 1, revised_at = now() WHERE series_id = ${series} AND bucket = '${at(30)}'`)
      for (let i = 0; i < 3; i++) await derivation().run()
      expect(await totalOf()).toMatchObject({ value: 150 })
      await slow.query('COMMIT')
    } finally {
      slow.release()
    }
    await derivation().run()
    expect(await totalOf()).toMatchObject({ value: 151, source: 'sketch' })
    // Once all of it has ended, it is not looked at again.
    // (Transactions of other databases of the cluster are waited for too.)
    const hasMoved = async () => {
      await derivation().run()
      return sql("SELECT checked_to > now() - interval '1 minute' AS moved FROM sketch_revision")
    }
    await expect.poll(hasMoved, { timeout: 30_000 }).toEqual([{ moved: true }])
  })

  test('that were not committed leave nothing behind, and the next run derives them', async () => {
    await derivation().run()
    const whole = await tableContents()
    await sql('TRUNCATE sketch, sketch_progress')
    const holder = await fixture.database.pool.connect()
    await holder.query('BEGIN; LOCK TABLE sketch_progress IN SHARE MODE')
    // It has written all rows, and waits to save how far it came.
    const pool = new pg.Pool({ connectionString: fixture.database.url })
    pool.on('error', () => {})
    pool.on('connect', (client) => client.on('error', () => {}))
    const killed = derivation({ pool })
      .run()
      .catch((error) => error)
    await expect
      .poll(async () =>
        sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
              WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO sketch_progress%' AND datname = current_database()`),
      )
      .toHaveLength(1)
    expect(await killed).toBeInstanceOf(Error)
    await pool.end()
    await holder.query('ROLLBACK')
    holder.release()
    expect(await tableContents()).toEqual([])
    expect(await totalOf()).toMatchObject({ value: 150, source: 'raw' })
    await derivation().run()
    expect(await tableContents()).toEqual(whole)
  })

  test('are derived by one worker at a time, and two that start at once leave the same', async () => {
    await derivation().run()
    const whole = await tableContents()
    await sql('TRUNCATE sketch, sketch_progress')
    const results = await Promise.all([derivation().run(), derivation().run(), derivation().run()])
    const counts = results.map(({ derived }) => derived)
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(Math.max(...counts))
    await derivation().run()
    expect(await tableContents()).toEqual(whole)
  })

  test('outlive the events, and take in what comes after those were dropped', async () => {
    await derivation().run()
    const p50 = await totalOf({ aggregate: 'P50' })
    await sql('TRUNCATE event')
    expect(await totalOf()).toEqual({ value: 150, late: 0, source: 'sketch' })
    expect(await totalOf({ aggregate: 'P50' })).toEqual(p50)
    await storeLate({ name: 'name_1', actor: 'very-late', value: 1e6, occurredAt: at(600) })
    await derivation().run()
    expect(await totalOf()).toEqual({ value: 151, late: 1, source: 'sketch' })
    const max = await eventsOverTime(fixture.db, viewer, {
      name: 'name_1',
      ...RANGE,
      aggregate: 'P99',
      interval: 'HOUR',
    })
    expect(
      max.rows.find(({ timestamp }) => timestamp === '2026-11-18T10:00:00Z')?.value,
    ).toBeGreaterThan(900_000)
    expect(max.info.rawSince).toBeUndefined()
    // The first one is held and in the sketch.
    for (const [i, actor] of ['second', 'second', 'third'].entries())
      await storeLate({ name: `name_${i % 2}`, actor, value: 2e6, occurredAt: at(601) })
    await derivation().run()
    await sql('UPDATE rollup_15m SET revised_at = NULL')
    await storeLate({ name: 'name_1', actor: 'third', value: 3e6, occurredAt: at(602) })
    await derivation().run()
    expect(await totalOf()).toEqual({ value: 153, late: 5, source: 'sketch' })
    expect(await totalOf({ aggregate: 'P99', name: 'name_1' })).toMatchObject({ source: 'sketch' })
    const [row] = await sql(`SELECT count, rollup_count, quantiles FROM sketch
       WHERE series_id = 0 AND minutes = 15 AND bucket = '${at(600)}'`)
    expect(row.count).toBe(row.rollup_count)
    expect(DDSketch.fromBytes(row.quantiles).count).toBe(Number(row.count))
    expect(await sql('SELECT incomplete_before FROM sketch_progress')).toEqual([
      { incomplete_before: null },
    ])
  })

  test('of events that were dropped before any was derived are missing, and the result says so', async () => {
    await sql(`DELETE FROM event WHERE occurred_at < '${at(1_440)}'`)
    await derivation().run()
    const result = await eventsOverTime(fixture.db, viewer, {
      name: '*',
      ...RANGE,
      aggregate: 'UNIQUES',
      interval: 'DAY',
    })
    expect(result.rows.map(({ timestamp }) => timestamp)).toEqual(['2026-11-19T00:00:00Z'])
    expect(result.info.rawSince).toBe('2026-11-19T00:00:00Z')
  })

  test('of open hours are derived where their events are about to be dropped', async () => {
    const before = START + 5 * 86_400_000
    expect(await derivation().run({ droppedBeforeMs: before })).toMatchObject({ isComplete: true })
    await sql('TRUNCATE event')
    expect(await totalOf({ endTime: at(5 * 1_440) })).toMatchObject({
      value: 150,
      source: 'sketch+raw',
    })
  })

  test('of a tenant that imports its history are derived as far as events are dropped, and follow what comes then', async () => {
    const imported = (time: string, count: number) =>
      fixture.store(
        'other',
        Array.from({ length: count }, (_, i) => ({
          actor: `${time} ${i}`,
          occurredAt: time,
          receivedAt: at(i),
        })),
      )
    const [{ tenant_id: other }] = await sql("SELECT tenant_id FROM tenant WHERE slug = 'other'")
    const state = () =>
      sql(`SELECT derived_through::timestamptz(0) AS through, (SELECT sum(count)::int FROM rollup_15m WHERE tenant_id = ${other} AND bucket < derived_through) AS counted,
                  (SELECT sum(count)::int FROM sketch WHERE tenant_id = ${other} AND series_id = 0 AND minutes = 15) AS derived
             FROM sketch_progress WHERE tenant_id = ${other}`)
    const before = { droppedBeforeMs: START + 86_400_000 }
    await imported('2026-01-10T07:10:00Z', 10)
    await derivation().run(before)
    // No further than events are dropped: what comes next is not behind the sketches.
    const through = new Date('2026-01-10T07:15:00Z')
    expect(await state()).toEqual([{ through, counted: 10, derived: 10 }])
    // The bucket is not final, so nothing marks it.
    await imported('2026-01-10T07:12:00Z', 3)
    await derivation().run()
    expect(await state()).toEqual([{ through, counted: 13, derived: 13 }])
    await imported('2026-01-10T07:13:00Z', 4)
    await imported('2026-03-10T07:30:00Z', 5)
    await derivation().run()
    const [after] = await sql(`SELECT sum(count)::int AS count FROM sketch
       WHERE tenant_id = ${other} AND series_id = 0 AND minutes = 1440 AND bucket < '2026-02-01'`)
    expect(after).toEqual({ count: 17 })
  })

  test('that were revised are derived again in ranges of a limited number of events', async () => {
    await derivation().run()
    await fixture.store(
      'default',
      [600, 615, 630, 645].flatMap((minute) =>
        Array.from({ length: 10 }, () => ({
          name: 'name_1',
          occurredAt: at(minute),
          receivedAt: at(3_400),
          late: true,
        })),
      ),
    )
    await sql('UPDATE rollup_15m SET revised_at = clock_timestamp() WHERE late_count > 0')
    const client = await fixture.database.pool.connect()
    try {
      const minutesOf = async (eventsMax: number) =>
        (await findRevisedBuckets(client, { eventsMax, except: [] })).ranges.map(
          ({ fromMs, beforeMs }) => (beforeMs - fromMs) / 60_000,
        )
      expect(await minutesOf(1_000)).toEqual([60])
      expect(await minutesOf(30)).toEqual([30, 30])
      expect(await minutesOf(1)).toEqual([15, 15, 15, 15])
    } finally {
      client.release()
    }
  })

  test('of other tenants are derived, and days dropped, while those of one tenant fail', async () => {
    const [{ tenant_id: other }] = await sql("SELECT tenant_id FROM tenant WHERE slug = 'other'")
    // Received on the third day; its tenant comes second.
    await fixture.store('other', [{ actor: 'a', occurredAt: at(2_900), receivedAt: at(2_900) }])
    await sql(`
      CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no sketch of this tenant'; END $$;
      CREATE TRIGGER fail BEFORE INSERT ON sketch FOR EACH ROW WHEN (NEW.tenant_id = 1) EXECUTE FUNCTION fail()`)
    const logged: string[] = []
    const log = (_: unknown, text: string) => logged.push(text)
    const options = { logger: { warn: log, error: log } }
    const day = START / 86_400_000
    const before = { droppedBeforeMs: START + 3 * 86_400_000 }
    try {
      const failing = derivation(options)
      expect(await failing.run(before)).toMatchObject({ derived: 2, isComplete: false })
      expect(await sql('SELECT tenant_id FROM sketch_progress')).toEqual([{ tenant_id: other }])
      // The tenant waits, and nothing else is left.
      expect(await failing.run(before)).toMatchObject({ derived: 0, isComplete: false })
      expect(logged).toEqual(['deriving sketches of a tenant failed, retrying in 1 min'])
      expect(await failing.isDroppable(day, 2)).toBe(false)
      // It is not overdue for one that has not failed for long.
      expect(await failing.isDroppable(day, 3)).toBe(false)
      expect(await failing.isDroppable(day + 3, 0)).toBe(true)
    } finally {
      await sql('DROP TRIGGER fail ON sketch; DROP FUNCTION fail')
    }
    const healthy = derivation(options)
    await healthy.run()
    expect(await healthy.isDroppable(day, 0)).toBe(true)
    expect(await healthy.isDroppable(day + 2, 0)).toBe(false)
    await sql(
      "UPDATE sketch_progress SET derived_through = '2026-11-18T00:00Z' WHERE tenant_id = 1",
    )
    const client = fixture.database.pool
    const drop = (failures: number, overdueDays: number) =>
      isDroppable({ client, failing: { failures: () => failures }, ...options }, day, overdueDays)
    expect([await drop(3, 2), await drop(2, 3), await drop(3, 3)]).toEqual([false, false, true])
    expect(logged.at(-1)).toMatch('dropping a day of events without their sketches')
    expect(await sql('SELECT incomplete_before FROM sketch_progress WHERE tenant_id = 1')).toEqual([
      { incomplete_before: new Date(at(1_440)) },
    ])
    // A day waits for each tenant whose sketches do not fail.
    await sql("UPDATE sketch_progress SET derived_through = '2026-11-18T00:00Z'")
    const failing = { failures: (tenantId: number) => (tenantId === other ? 0 : 3) }
    const drops = () => isDroppable({ client, failing, ...options }, day, 3)
    expect(await drops()).toBe(true)
    await fixture.store('other', [{ actor: 'b', occurredAt: at(10), receivedAt: at(10) }])
    expect(await drops()).toBe(false)
  })
})
