import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createQueryFixture, type QueryFixture } from '../../api/graphql/testing/fixture.ts'
import { type TenantViewer, tenantViewer } from '../../identity/viewer.ts'
import { QUERY_LIMITS } from '../limits.ts'
import { eventsOverTime } from '../metrics/events-over-time.ts'
import type { MetricsInput } from '../metrics/metrics-args.ts'
import { uniqueActors } from '../unique-actors.ts'
import { resolveNames } from './names.ts'
import { checkRawBudget } from './raw-budget.ts'

const RANGE = { start: '2026-11-10T00:00:00Z', end: '2026-11-11T00:00:00Z' }

let fixture: QueryFixture
let viewer: TenantViewer
beforeAll(async () => {
  fixture = await createQueryFixture()
  viewer = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'default')
  await fixture.store('default', [
    // Days since before the range are held.
    { name: 'early', occurredAt: '2026-11-09T10:00:00Z', receivedAt: '2026-11-09T10:00:00Z' },
    { name: 'busy', occurredAt: '2026-11-10T10:00:00Z', actor: 'ann' },
    { name: 'quiet', occurredAt: '2026-11-10T10:20:00Z', actor: 'bob' },
  ])
})
afterAll(() => fixture.close())
beforeEach(async () => {
  await setCounts(QUERY_LIMITS.rawEventsMax)
  await setRowsHeld(3 * QUERY_LIMITS.rawEventsMax)
})

/** As if there were so many events of the name "busy" in the bucket of 10:00, and one of "quiet". */
const setCounts = (events: number) =>
  fixture.database.pool.query(
    "UPDATE rollup_15m r SET count = $1 FROM series s WHERE s.series_id = r.series_id AND s.metric = 'busy'",
    [events - 1],
  )
const setRowsHeld = (rows: number) =>
  fixture.database.pool.query(
    "UPDATE pg_class SET reltuples = $1 WHERE relname ~ '^event_\\d{8}$'",
    [rows],
  )
const metrics = (args: Partial<MetricsInput> = {}) =>
  eventsOverTime(fixture.db, viewer, {
    name: '*',
    startTime: RANGE.start,
    endTime: RANGE.end,
    interval: 'DAY',
    aggregate: 'UNIQUES',
    ...args,
  })
const refused = { code: 'QUERY_TOO_SLOW', details: { limit: 'events' } }

test('a query is refused from one event more than the budget, without reading events', async () => {
  expect((await metrics()).rows[0]?.value).toBe(2)
  expect((await uniqueActors(fixture.db, viewer, { range: RANGE })).rows).toEqual([2])
  await setCounts(QUERY_LIMITS.rawEventsMax + 1)
  const client = await fixture.database.pool.connect()
  await client.query('BEGIN; LOCK TABLE event IN ACCESS EXCLUSIVE MODE')
  await expect(metrics()).rejects.toMatchObject({
    ...refused,
    message: expect.stringMatching(
      /^The query would read up to 10.0 million single events, of at most 10.0 million. Choose a shorter range/,
    ),
  })
  await expect(metrics({ groupBy: ['plan'], aggregate: 'COUNT' })).rejects.toMatchObject(refused)
  await client.query('ROLLBACK')
  client.release()
  await expect(uniqueActors(fixture.db, viewer, { range: RANGE })).rejects.toMatchObject(refused)
})

test('events of other names and other times, and queries of rollups, do not count', async () => {
  await setCounts(5 * QUERY_LIMITS.rawEventsMax)
  expect((await metrics({ name: 'quiet' })).rows[0]?.value).toBe(1)
  expect((await metrics({ startTime: '2026-11-10T10:15:00Z' })).rows[0]?.value).toBe(1)
  // Only a part of the bucket is asked for, and nobody knows of how many events.
  expect((await metrics({ endTime: '2026-11-10T10:14:59Z' })).rows[0]?.value).toBe(1)
  expect((await metrics({ aggregate: 'COUNT' })).rows[0]?.value).toBe(5 * QUERY_LIMITS.rawEventsMax)
})

test('no more events are expected than the days that are left can hold', async () => {
  await setCounts(5 * QUERY_LIMITS.rawEventsMax)
  await setRowsHeld(5)
  expect((await metrics()).rows[0]?.value).toBe(2)
  // Days that were never analysed are estimated by their size.
  await setRowsHeld(-1)
  expect((await metrics()).rows[0]?.value).toBe(2)
})

test('days that were never analysed count by their size', async () => {
  await setRowsHeld(-1)
  const names = await resolveNames(fixture.db, viewer, undefined)
  // One page has room for some 50 events, and each of the two days has one.
  for (const [max, isRefused] of [
    [20, true],
    [2_000, false],
  ] as const) {
    await setCounts(max + 1)
    const budget = { max, advice: '' }
    const outcome = await checkRawBudget(fixture.db, viewer, names, RANGE, budget).then(
      () => false,
      () => true,
    )
    expect([max, outcome]).toEqual([max, isRefused])
  }
})

test('a refusal names what the tenant itself counted, and not what the days of all tenants hold', async () => {
  const counted = 5 * QUERY_LIMITS.rawEventsMax
  await setCounts(counted)
  await setRowsHeld(QUERY_LIMITS.rawEventsMax)
  await expect(metrics()).rejects.toMatchObject({
    message: expect.stringContaining('up to 50.0 million'),
    details: { limit: 'events', found: counted, max: QUERY_LIMITS.rawEventsMax },
  })
})

test('events of days that were dropped do not count, unless they came since', async () => {
  const { pool } = fixture.database
  await setCounts(2)
  await pool.query(
    `INSERT INTO rollup_15m (tenant_id, series_id, bucket, count, value_count, sum, late_count)
     SELECT tenant_id, series_id, '2026-11-02T10:00:00Z', $1, 0, 0, 0 FROM series WHERE metric = 'busy'`,
    [2 * QUERY_LIMITS.rawEventsMax],
  )
  const sinceDropped = () => metrics({ startTime: '2026-11-02T00:00:00Z' })
  await expect(sinceDropped()).rejects.toMatchObject(refused)
  await pool.query("UPDATE series SET created_at = '2026-11-01T00:00:00Z'")
  expect((await sinceDropped()).rows.at(-1)?.value).toBe(2)
  await pool.query("UPDATE rollup_15m SET revised_at = now() WHERE bucket = '2026-11-02T10:00:00Z'")
  await expect(sinceDropped()).rejects.toMatchObject(refused)
})
