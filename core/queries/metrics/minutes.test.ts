import { afterAll, beforeAll, expect, test } from 'vitest'
import { createQueryFixture, type QueryFixture } from '../../api/graphql/testing/fixture.ts'
import { type TenantViewer, tenantViewer } from '../../identity/viewer.ts'
import { eventsOverTime } from './events-over-time.ts'
import type { MetricsInput } from './metrics-args.ts'

const MINUTE = 60_000
const BASE = Math.floor(Date.now() / (15 * MINUTE)) * 15 * MINUTE - 180 * MINUTE
const at = (minutes: number) => new Date(BASE + minutes * MINUTE).toISOString()

let fixture: QueryFixture
let viewer: TenantViewer
beforeAll(async () => {
  fixture = await createQueryFixture()
  viewer = await tenantViewer(fixture.db, { kind: 'SESSION' }, 'default')
  await fixture.store(
    'default',
    [0, 0.5, 1 - 1 / MINUTE, 1, 14.5, 15, 16.5, 30, 59.9].map((minutes, i) => ({
      occurredAt: at(minutes),
      actor: `actor-${i % 3}`,
      value: i,
      name: i === 4 ? 'late' : 'on time',
      late: i === 4,
    })),
  )
  // An hour of lateness is allowed: the watermark is at 20 minutes, within a 15-minute bucket.
  await fixture.store('default', [{ occurredAt: at(80) }])
})
afterAll(() => fixture.close())

const minutes = (args: Partial<MetricsInput> = {}) =>
  eventsOverTime(fixture.db, viewer, {
    name: '*',
    startTime: at(0),
    endTime: at(60),
    interval: 'MINUTE',
    ...args,
  })

test('minutes are counted from single events, and those without any are left out', async () => {
  const { rows, source } = await minutes()
  expect(source).toBe('raw')
  const counts = rows.map(({ timestamp, value }) => [
    (Date.parse(timestamp) - BASE) / MINUTE,
    value,
  ])
  expect(counts).toEqual([
    [0, 3],
    [1, 1],
    [14, 1],
    [15, 1],
    [16, 1],
    [30, 1],
    [59, 1],
  ])
  const { rows: quarters } = await minutes({ interval: 'QUARTER_HOUR' })
  expect(quarters.map(({ value }) => value)).toEqual([5, 2, 1, 1])
  const uniques = await minutes({ aggregate: 'UNIQUES', endTime: at(0.6) })
  expect(uniques.rows.map(({ value }) => value)).toEqual([2])
})

test('a minute is final with the 15 minutes that it is in, and shares the mark of their late events', async () => {
  const { rows, info } = await minutes()
  const marks = rows.map(({ timestamp, isFinal, lateCount }) => [
    (Date.parse(timestamp) - BASE) / MINUTE,
    isFinal,
    lateCount,
  ])
  expect(marks).toEqual([
    [0, true, 1],
    [1, true, 1],
    [14, true, 1],
    // The watermark has passed their ends, but an event of theirs would not be late yet.
    [15, false, 0],
    [16, false, 0],
    [30, false, 0],
    [59, false, 0],
  ])
  expect(Date.parse(info.finalThrough ?? '')).toBe(BASE + 15 * MINUTE)
  const whole = await minutes({ interval: 'QUARTER_HOUR' })
  expect(Date.parse(whole.info.finalThrough ?? '')).toBe(BASE + 20 * MINUTE)
})

test('minutes are for ranges of up to six hours', async () => {
  await expect(minutes({ startTime: at(-300) })).resolves.toMatchObject({ source: 'raw' })
  await expect(minutes({ startTime: at(-300 - 1 / MINUTE) })).rejects.toMatchObject({
    code: 'BAD_USER_INPUT',
    message: expect.stringContaining('up to 6 hours'),
  })
})
