import { afterAll, beforeAll, expect, test } from 'vitest'
import { ApiError } from '../../lib/api-error.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import { createSlowQueries, queryNameOf } from './slow-queries.ts'
import { createQueryFixture, type QueryFixture } from './testing/fixture.ts'

let fixture: QueryFixture
let headers: Record<string, string>
beforeAll(async () => {
  fixture = await createQueryFixture()
  headers = await fixture.keyOf('default')
  await fixture.store('default', [{ occurredAt: '2026-11-10T10:00:00Z' }])
})
afterAll(() => fixture.close())

const QUERY = `{ metrics(name: "*", startTime: "2026-11-10T00:00:00Z", endTime: "2026-11-11T00:00:00Z", interval: DAY,
  aggregate: P95) { value } }`

test('a query that was refused by its estimate is refused again without another one, and others are not', async () => {
  const { pool } = fixture.database
  const more = QUERY_LIMITS.rawEventsMax * 2
  await pool.query(`UPDATE rollup_15m SET count = ${more};
                    UPDATE pg_class SET reltuples = ${more} WHERE relname ~ '^event_\\d{8}$'`)
  const first = await fixture.execute(QUERY, headers)
  expect(first.errors?.[0]?.extensions).toMatchObject({
    code: 'QUERY_TOO_SLOW',
    limit: 'events',
    found: more,
  })
  expect(first.errors?.[0]?.extensions).not.toHaveProperty('retryAfterSeconds')
  await pool.query('UPDATE rollup_15m SET count = 1')
  const second = await fixture.execute(QUERY, headers)
  expect(second.errors?.[0]?.extensions).toMatchObject({
    code: 'QUERY_TOO_SLOW',
    retryAfterSeconds: expect.any(Number),
  })
  const other = await fixture.execute(QUERY.replace('P95', 'P50'), headers)
  expect(other.errors).toBeUndefined()
  const ofOther = await fixture.execute(QUERY, await fixture.keyOf('other'))
  expect(ofOther.errors).toBeUndefined()
})

const tooSlow = { code: '57014' }

test('a refusal is remembered for half a minute after a statement took too long', () => {
  let at = 0
  const slowQueries = createSlowQueries(() => at)
  slowQueries.add('slow', tooSlow)
  const { refusedMs } = QUERY_LIMITS
  at = refusedMs - 1
  expect(() => slowQueries.check('slow')).toThrow(
    expect.objectContaining({ code: 'QUERY_TOO_SLOW', details: { retryAfterSeconds: 1 } }),
  )
  at = refusedMs
  expect(() => slowQueries.check('slow')).not.toThrow()
})

test('other errors are not remembered, and no more than a limit of refusals is', () => {
  const slowQueries = createSlowQueries()
  for (const error of [
    new ApiError('QUERY_CANCELLED'),
    new ApiError('OVERLOADED'),
    { code: '53300' },
  ])
    slowQueries.add('other', error)
  expect(() => slowQueries.check('other')).not.toThrow()
  for (let i = 0; i <= QUERY_LIMITS.slowQueriesMax; i++) slowQueries.add(`slow ${i}`, tooSlow)
  expect(() => slowQueries.check('slow 0')).not.toThrow()
  expect(() => slowQueries.check('slow 1')).toThrow()
})

test('queries are the same whose times are in the same minute', () => {
  const name = (endTime: string, tenantId = 1) =>
    queryNameOf('q', { tenantId }, { endTime, name: 'x' })
  expect(name('2026-11-10T10:00:01Z')).toBe(name('2026-11-10T10:00:59.5Z'))
  expect(name('2026-11-10T10:00:01Z')).not.toBe(name('2026-11-10T10:01:00Z'))
  expect(name('2026-11-10T10:00:01Z')).not.toBe(name('2026-11-10T10:00:01Z', 2))
})
