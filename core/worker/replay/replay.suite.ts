import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { uuidV7 } from '../../../contract/event/uuid.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { hearNotifications } from '../../../tests/lib/notifications.ts'
import { countTotals, rawRecord, rawValue } from '../../../tests/lib/records.ts'
import { bucket15mOf, decodeChangedBuckets } from '../../db/changed-buckets.ts'
import { CHANNELS } from '../../db/channels.ts'
import type { Log, NewRecord } from '../../log/log.ts'
import { createWorker } from '../worker.ts'
import { NotAppliedError } from '../write/positions.ts'
import { type ReplayOptions, type ReplayRange, replay } from './replay.ts'

const quiet = { info() {}, warn() {}, error() {} }
const DAY_MS = 86_400_000

/** Reading events.raw again, on each log. */
export function replaySuite(name: string, open: (databaseUrl: string) => Promise<Log>): void {
  describe(`a replay of the ${name} log`, () => {
    let database: TestDatabase
    let log: Log
    let stop: AbortController
    let running: Promise<void> | undefined
    beforeEach(async () => {
      database = await createTestDatabase()
      await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
      log = await open(database.url)
      stop = new AbortController()
    })
    afterEach(async () => {
      stop.abort()
      await running
      running = undefined
      await log.close()
      await database.drop()
    })

    const sql = (text: string) => database.pool.query(text)
    const append = (records: NewRecord[]) => log.append(TOPICS.raw.name, records)

    async function work(): Promise<void> {
      running ??= createWorker({ databaseUrl: database.url, log, logger: quiet }).run(stop.signal)
      const end = (await log.offsets(TOPICS.raw.name)).reduce(
        (sum, { lastStableOffset: next }) => sum + next,
        0,
      )
      await expect
        .poll(
          async () =>
            (
              await sql(
                "SELECT sum(next_offset)::int AS n FROM log_position WHERE topic = 'events.raw'",
              )
            ).rows[0].n,
          { timeout: 20_000 },
        )
        .toBeGreaterThanOrEqual(end)
    }

    async function everything(): Promise<ReplayRange[]> {
      const bounds = await log.offsets(TOPICS.raw.name)
      return bounds.map(({ partition, lastStableOffset: next }) => ({
        partition,
        from: 0,
        to: next,
      }))
    }
    async function again(options: Partial<ReplayOptions> = {}) {
      return replay({
        databaseUrl: database.url,
        log,
        ranges: options.ranges ?? (await everything()),
        signal: AbortSignal.timeout(20_000),
        ...options,
      })
    }
    /** As the balance has it, beside the rows. */
    async function outcomes() {
      const { rows } = await sql(
        'SELECT sum(stored)::int AS stored, sum(duplicate)::int AS duplicates, sum(conflicting)::int AS conflicting, sum(dead)::int AS dead FROM outcome_minute',
      )
      return rows[0]
    }
    /** Some twice, some of them poison. */
    const mixture = (count: number, round = 0) =>
      Array.from({ length: count }, (_, i) => {
        if (i % 50 === 7) return rawRecord({ occurred_at: '2024-01-22T17:36:40Z', actor: `a${i}` })
        const id = i % 10 === 3 ? i - 1 : i
        return rawRecord({
          event_id: `order-${round}-${id}`,
          actor: `actor-${id % 40}`,
          name: `event_${id % 5}`,
          value: id / 3,
        })
      })

    test('of records that are stored already changes no number, also while a worker writes', async () => {
      await append(mixture(1_000))
      await work()
      const before = await countTotals(database.pool)
      expect(await outcomes()).toEqual({
        stored: before.stored,
        duplicates: 100,
        conflicting: 0,
        dead: 20,
      })
      const ranges = await everything()
      const [result] = await Promise.all([
        again({ ranges }),
        append(mixture(1_000, 1)).then(() => work()),
      ])
      expect(result).toEqual({
        records: 1_000,
        stored: 0,
        recovered: 0,
        unchanged: 1_000,
        dead: 0,
        refused: 0,
      })
      expect(await countTotals(database.pool)).toEqual({
        stored: 2 * before.stored,
        duplicates: 200,
        conflicting: 0,
        dead: 40,
        wrongRollups: 0,
        double: 0,
      })
      expect(await outcomes()).toEqual({
        stored: 2 * before.stored,
        duplicates: 200,
        conflicting: 0,
        dead: 40,
      })
    })

    test('recovers dead letters that can be stored now, once only', async () => {
      const ofNobody = Array.from({ length: 30 }, (_, i) =>
        rawRecord({ tenant: 'later', actor: `a${i % 20}`, event_id: `e-${i % 20}` }),
      )
      const tooOld = rawRecord({ occurred_at: new Date(Date.now() - 60 * DAY_MS).toISOString() })
      await append([...ofNobody, tooOld, rawRecord()])
      await work()
      expect(await countTotals(database.pool)).toMatchObject({ stored: 1, dead: 31 })
      expect(await outcomes()).toEqual({ stored: 1, duplicates: 0, conflicting: 0, dead: 1 })
      await sql(
        "INSERT INTO tenant (slug) VALUES ('later'); UPDATE tenant SET event_age_max_s = 1e8",
      )
      const expected = { records: 32, stored: 21, recovered: 31, unchanged: 1, dead: 0, refused: 0 }
      expect(await again({ dryRun: true })).toEqual(expected)
      expect(await countTotals(database.pool)).toMatchObject({ stored: 1, dead: 31 })
      expect(await again()).toEqual(expected)
      const after = {
        stored: 22,
        duplicates: 10,
        conflicting: 0,
        dead: 0,
        wrongRollups: 0,
        double: 0,
      }
      expect(await countTotals(database.pool)).toEqual(after)
      expect(await outcomes()).toEqual({ stored: 22, duplicates: 10, conflicting: 0, dead: 0 })
      expect(await again()).toMatchObject({ stored: 0, recovered: 0, unchanged: 32 })
      expect(await countTotals(database.pool)).toEqual(after)
    })

    test('counts no record as dead that was stored or a duplicate under former rules', async () => {
      const twoDaysAgo = new Date(Date.now() - 2 * DAY_MS).toISOString()
      const once = { event_id: 'order-1', actor: 'a', occurred_at: twoDaysAgo }
      await append([rawRecord(once), rawRecord(once), rawRecord({ actor: 'a' })])
      await work()
      const before = await countTotals(database.pool)
      expect(before).toMatchObject({ stored: 2, duplicates: 1, dead: 0 })
      await sql('UPDATE tenant SET event_age_max_s = 86400')
      expect(await again()).toMatchObject({ stored: 0, unchanged: 3, dead: 0 })
      expect(await countTotals(database.pool)).toEqual(before)
      expect(await outcomes()).toEqual({ stored: 2, duplicates: 1, conflicting: 0, dead: 0 })
    })

    test('recovers a dead letter whose event was stored since as a duplicate', async () => {
      const old = { event_id: 'order-1', actor: 'a', occurred_at: '2024-01-22T17:36:40Z' }
      await append([rawRecord(old), rawRecord({ ...old, value: 1 })])
      await work()
      await append([rawRecord({ ...old, historical: true })])
      await work()
      expect(await outcomes()).toEqual({ stored: 1, duplicates: 0, conflicting: 0, dead: 2 })
      const recovered = { stored: 0, recovered: 2, unchanged: 1, dead: 0 }
      expect(await again()).toMatchObject(recovered)
      const after = { stored: 1, duplicates: 1, conflicting: 1, dead: 0 }
      expect(await outcomes()).toEqual(after)
      expect(await again()).toMatchObject({ recovered: 0, unchanged: 3 })
      expect(await outcomes()).toEqual(after)
    })

    test('restores events and numbers that were deleted', async () => {
      await append(mixture(1_000))
      await work()
      const before = await countTotals(database.pool)
      const rollups = async () =>
        (
          await sql(
            'SELECT series_id, bucket, count, value_count, min, max FROM rollup_15m ORDER BY 1, 2',
          )
        ).rows
      const [was] = [await rollups()]
      await sql('TRUNCATE event, rollup_15m, outcome_minute, dead_letter, watermark')
      expect(await again()).toEqual({
        records: 1_000,
        stored: before.stored,
        recovered: 0,
        unchanged: 100,
        dead: 20,
        refused: 0,
      })
      expect(await countTotals(database.pool)).toEqual({ ...before, duplicates: 0 })
      expect(await rollups()).toEqual(was)
    })

    test('notifies readers of every tenant and bucket that it changed, with the change and not of a dry run', async () => {
      await sql("INSERT INTO tenant (slug) VALUES ('other')")
      const occurred_at = new Date(Date.now() - DAY_MS).toISOString()
      await append(['default', 'other'].map((tenant) => rawRecord({ tenant, occurred_at })))
      await work()
      stop.abort()
      await running
      await sql('TRUNCATE event, rollup_15m, outcome_minute, dead_letter, watermark')
      const heard = await hearNotifications(database.url, [
        CHANNELS.stored,
        CHANNELS.changedBuckets,
      ])
      await again({ dryRun: true })
      expect(await heard.payloads(CHANNELS.changedBuckets)).toEqual([])
      expect(await again()).toMatchObject({ stored: 2 })
      const tenants = (await heard.payloads(CHANNELS.stored)).flatMap((each) => each.split(','))
      expect(new Set(tenants)).toEqual(new Set(['1', '2']))
      const bucket = bucket15mOf(Date.parse(occurred_at))
      const changed = (await heard.payloads(CHANNELS.changedBuckets)).map(decodeChangedBuckets)
      for (const tenant of [1, 2])
        expect(changed.flatMap((each) => each?.get(tenant) ?? [])).toContainEqual({
          first: bucket,
          last: bucket,
        })
      await heard.close()
    })

    test('gives up after a few attempts where Postgres fails each time, and changes nothing', async () => {
      await append([rawRecord()])
      await work()
      stop.abort()
      await running
      await sql(`
        TRUNCATE event, rollup_15m, outcome_minute, dead_letter, watermark;
        CREATE SEQUENCE attempts;
        CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          PERFORM nextval('attempts');
          RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001';
        END $$;
        CREATE TRIGGER fail BEFORE INSERT ON outcome_total_by_partition FOR EACH STATEMENT EXECUTE FUNCTION fail()`)
      const endless = new AbortController().signal
      await expect(again({ signal: endless })).rejects.toThrow('could not serialize access')
      const { rows } = await sql(
        'SELECT last_value::int AS attempts, (SELECT count(*)::int FROM event) AS stored FROM attempts',
      )
      expect(rows).toEqual([{ attempts: 8, stored: 0 }])
    })

    test('reads the partitions and offsets of its ranges, and no others', async () => {
      const into = (partition: number, name: string) => ({ ...rawRecord({ name }), partition })
      await append([into(0, 'a'), into(0, 'b'), into(0, 'c'), into(1, 'd')])
      await work()
      await new Promise((resolve) => setTimeout(resolve, 20))
      const at = await log.offsetsAt(TOPICS.raw.name, Date.now() - 5)
      expect([...at]).toEqual([0, 1, 2, 3, 4, 5].map((p) => [p, p === 0 ? 3 : p === 1 ? 1 : 0]))
      await append([into(0, 'later')])
      expect((await log.offsetsAt(TOPICS.raw.name, Date.now() - 60_000)).get(0)).toBe(0)
      await work()
      await sql('TRUNCATE event, rollup_15m')
      await again({ ranges: [{ partition: 0, from: 1, to: 3 }] })
      expect(
        (await sql('SELECT name FROM event ORDER BY name')).rows.map(({ name }) => name),
      ).toEqual(['b', 'c'])
    })

    test('refuses records received on days whose events may be dropped, and creates no day partition for them', async () => {
      const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString()
      await append([
        rawRecord({ received_at: daysAgo(4), event_id: 'old', actor: 'a' }),
        rawRecord({ event_id: 'new', actor: 'a' }),
      ])
      await work()
      await sql('TRUNCATE event, rollup_15m, outcome_minute')
      expect(await again({ retentionDays: 3 })).toMatchObject({ stored: 1, refused: 1, records: 2 })
      expect(await again({ retentionDays: 30 })).toMatchObject({ stored: 1, refused: 0 })
      expect(await countTotals(database.pool)).toMatchObject({ stored: 2, wrongRollups: 0 })
      // Its day is gone: nothing could tell any more whether it counted.
      const { rows } = await sql(
        "SELECT 'event_' || to_char(min(received_on), 'YYYYMMDD') AS day FROM event",
      )
      await sql(`DROP TABLE ${rows[0].day}`)
      expect(await again({ retentionDays: 30 })).toMatchObject({
        stored: 0,
        refused: 1,
        unchanged: 1,
      })
    })

    test('goes by the retention of the workers and by the clock of Postgres, whatever this process believes', async () => {
      const now = Date.now()
      const daysAgo = (days: number) => new Date(now - days * DAY_MS).toISOString()
      await append([
        rawRecord({ received_at: daysAgo(4), event_id: 'old', actor: 'a' }),
        rawRecord({ received_at: daysAgo(3), event_id: 'less old', actor: 'a' }),
        rawRecord({ event_id: 'new', actor: 'a' }),
      ])
      await work()
      await sql('TRUNCATE event, rollup_15m, outcome_minute')
      // Without a setting of its own, and with one that is longer.
      await sql('UPDATE event_retention SET retention_days = 5')
      const dryRun = true
      expect(await again({ dryRun })).toMatchObject({ stored: 2, refused: 1 })
      expect(await again({ dryRun, retentionDays: 30 })).toMatchObject({ stored: 2, refused: 1 })
      vi.useFakeTimers({ toFake: ['Date'], now: now - 2 * DAY_MS })
      try {
        expect(await again({ dryRun })).toMatchObject({ stored: 2, refused: 1 })
      } finally {
        vi.useRealTimers()
      }
      // The day in which a duplicate of an event would be looked up was dropped.
      await sql(
        `UPDATE event_retention SET retention_days = 30, dropped_through = '${daysAgo(5).slice(0, 10)}'`,
      )
      expect(await again({ dryRun })).toMatchObject({ stored: 1, refused: 2 })
    })

    test('finds events by the day they were received, however long ago that is', async () => {
      const daysAgo = (days: number) => new Date(Date.now() - days * DAY_MS).toISOString()
      // The log took one when it was received; the other came to it late, and was taken all the same.
      const received = [daysAgo(450), daysAgo(40)]
      for (const received_at of received) {
        const event_id = uuidV7(Date.now())
        await append([{ ...rawRecord({ received_at, event_id }), partition: 0 }])
        const day = received_at.slice(0, 10)
        await sql(`
          CREATE TABLE event_${day.replaceAll('-', '')} PARTITION OF event FOR VALUES FROM ('${day}') TO ('${day}'::date + 1);
          INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, name, properties, log_partition, log_offset)
          VALUES (1, '${event_id}', '${day}', '${received_at}', '${received_at}', 'page_view', '{}', 0, 0)`)
      }
      await sql('UPDATE log_position SET next_offset = 2 WHERE partition = 0')
      const batches: Log['batches'] = async function* (topic, options) {
        for await (const { partitions, recordCount } of log.batches(topic, options))
          yield {
            recordCount,
            partitions: partitions.map((run) => ({
              ...run,
              records: run.records.map((record) =>
                record.offset === 0
                  ? { ...record, timestamp: Date.parse(received[0] as string) }
                  : record,
              ),
            })),
          }
      }
      expect(
        await again({
          log: { ...log, batches },
          ranges: [{ partition: 0, from: 0, to: 2 }],
          retentionDays: 1_000,
        }),
      ).toMatchObject({ records: 2, stored: 0, unchanged: 2, dead: 0 })
      expect(await countTotals(database.pool)).toMatchObject({ stored: 2, dead: 0 })
    })

    test('goes no further than the workers’ positions, and finds poison records', async () => {
      await append([rawRecord({ name: 'fine' }), rawValue('{"v":1,')])
      await expect(again()).rejects.toThrow(NotAppliedError)
      await append([rawRecord({ name: 'refused' })])
      await work()
      await sql(
        "TRUNCATE event, rollup_15m, outcome_minute, dead_letter; ALTER TABLE event ADD CHECK (name <> 'refused')",
      )
      expect(await again()).toMatchObject({ stored: 1, dead: 2, records: 3 })
      expect((await sql('SELECT reason FROM dead_letter ORDER BY 1')).rows).toEqual([
        { reason: 'NOT_JSON' },
        { reason: 'UNSTORABLE' },
      ])
    })
  })
}
