import { afterEach, beforeEach, expect, test } from 'vitest'
import { createQueryFixture, type QueryFixture } from '../api/graphql/testing/fixture.ts'
import { type TenantViewer, tenantViewer } from '../identity/viewer.ts'
import { LIVE_LIMITS } from './limits.ts'
import { recentCounts } from './recent-counts.ts'

let fixture: QueryFixture
let viewer: TenantViewer
beforeEach(async () => {
  fixture = await createQueryFixture()
  viewer = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'default')
})
afterEach(() => fixture.close())

const ago = (seconds: number) => new Date(Date.now() - seconds * 1000).toISOString()

test('the events of the last minute are those received in it, whenever they occurred, of one tenant', async () => {
  const received = (seconds: number, occurred: number) => ({
    receivedAt: ago(seconds),
    occurredAt: ago(occurred),
  })
  await fixture.store('default', [received(5, 4_000), received(5, 100_000), received(5, 5)])
  await fixture.store('default', [received(300, 5), received(300, 300)])
  await fixture.store('other', [received(5, 5)])
  const { eventsPerMinute, rows } = await recentCounts(fixture.db, viewer)
  expect(eventsPerMinute).toBe(3)
  expect(rows).toHaveLength(LIVE_LIMITS.minutes)
  expect(rows.reduce((sum, { count }) => sum + count, 0)).toBe(5)
})

test('the minutes are the last sixty, oldest first, the open one last, and those without events are zero', async () => {
  await fixture.store(
    'default',
    [0, 30, 59, 61].map((minutes) => ({ receivedAt: ago(60 * minutes) })),
  )
  const { at, rows } = await recentCounts(fixture.db, viewer)
  const open = Math.floor(Date.parse(at) / 60_000)
  expect(rows.map(({ minute }) => Date.parse(minute) / 60_000)).toEqual(
    Array.from({ length: LIVE_LIMITS.minutes }, (_, i) => open - LIVE_LIMITS.minutes + 1 + i),
  )
  // Between the events and the query a minute may have begun.
  expect(rows.filter(({ count }) => count > 0).length).toBeGreaterThanOrEqual(2)
  expect(rows.reduce((sum, { count }) => sum + count, 0)).toBeLessThanOrEqual(3)
})

test('more events than are counted are estimated: the open minute, and the rest of sixty seconds of the one before', async () => {
  const { pool } = fixture.database
  await fixture.store('default', [{}])
  await pool.query(
    `INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, name, properties, log_partition, log_offset)
     SELECT 1, gen_random_uuid(), (now() AT TIME ZONE 'UTC')::date, now(), now(), 'many', '{}', 0, 0
       FROM generate_series(1, $1::int)`,
    [LIVE_LIMITS.exactCountMax],
  )
  await pool.query(
    `INSERT INTO outcome_minute AS o (tenant_id, minute, stored)
     SELECT 1, date_trunc('minute', now()) + m * interval '1 minute', CASE m WHEN 0 THEN 1000 ELSE 60000 + 7 * m END
       FROM generate_series(-5, 0) m
     ON CONFLICT (tenant_id, minute) DO UPDATE SET stored = EXCLUDED.stored`,
  )
  const { at, rows, eventsPerMinute } = await recentCounts(fixture.db, viewer)
  const [before, open] = rows.slice(-2).map(({ count }) => count) as [number, number]
  const share = 1 - (Date.parse(at) % 60_000) / 60_000
  expect(Math.abs(eventsPerMinute - (open + before * share))).toBeLessThanOrEqual(100)
})
