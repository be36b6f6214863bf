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

test('a query that was refused by its estimate is executed once its estimate allows it', async () => {
  const { pool } = fixture.database
  const more = QUERY_LIMITS.rawEventsMax * 2
  await pool.query(`UPDATE rollup_15m SET count = ${more};
                    UPDATE pg_class SET reltuples = ${more} WHERE relname ~ '^event_\\d{8}$'`)
  for (let i = 0; i < 2; i++) {
    const refused = await fixture.execute(QUERY, headers)
    expect(refused.errors?.[0]?.extensions).toMatchObject({
      code: 'QUERY_TOO_SLOW',
      limit: 'events',
      found: more,
    })
    expect(refused.errors?.[0]?.extensions).not.toHaveProperty('retryAfterSeconds')
  }
  await pool.query('UPDATE rollup_15m SET count = 1')
  expect((await fixture.execute(QUERY, headers)).errors).toBeUndefined()
})

const stopped = { code: '57014' }
const executed = { message: 'executed' }

function createQueries() {
  const clock = { now: 0 }
  const { run } = createSlowQueries(() => clock.now)
  const fail = (error: unknown, name = 'slow', scope = 'tenant 1') =>
    run({ name, scope }, () => Promise.reject(error))
  /** Rejects with its error if it is executed. */
  const attempt = (name = 'slow') => expect(fail(executed, name)).rejects
  return { clock, run, fail, attempt }
}

test('a query that Postgres stopped twice within half a minute is refused for half a minute', async () => {
  const { clock, fail, attempt } = createQueries()
  const { refusedMs } = QUERY_LIMITS
  await fail(stopped).catch(() => {})
  await attempt().toBe(executed)
  clock.now = refusedMs
  await fail(stopped).catch(() => {})
  await attempt().toBe(executed)
  clock.now += 1
  await fail(stopped).catch(() => {})
  clock.now += refusedMs - 1
  await attempt().toMatchObject({ code: 'QUERY_TOO_SLOW', details: { retryAfterSeconds: 1 } })
  await attempt('another').toBe(executed)
  clock.now += 1
  await attempt().toBe(executed)
})

test.each(['57014', '25P04'])(
  'a query is refused whichever limit of Postgres stopped it twice, that of a statement or of a transaction: %s',
  async (code) => {
    const { clock, fail, attempt } = createQueries()
    for (let i = 0; i < 2; i++) {
      clock.now++
      await expect(fail({ code })).rejects.toEqual({ code })
    }
    await attempt().toMatchObject({ code: 'QUERY_TOO_SLOW' })
  },
)

test('an outage is not held against the queries that met it', async () => {
  const { clock, run, fail, attempt } = createQueries()
  const together = [1, 2, 3].map(() =>
    run({ name: 'slow', scope: 'tenant 1' }, async () => {
      await Promise.resolve()
      clock.now = 10_000
      throw stopped
    }),
  )
  await Promise.allSettled(together)
  await attempt().toBe(executed)
  for (const error of [
    new Error('Query read timeout'),
    new ApiError('QUERY_TOO_SLOW', 'too many events', { limit: 'events' }),
    new ApiError('QUERY_CANCELLED'),
    new ApiError('OVERLOADED'),
    { code: '53300' },
  ])
    for (let i = 0; i < 3; i++) await fail(error, 'other').catch(() => {})
  await attempt('other').toBe(executed)
})

test('a tenant with many slow queries makes room among its own, and all together are limited', async () => {
  const { clock, fail, attempt } = createQueries()
  const stopTwice = async (name: string, scope: string) => {
    for (let i = 0; i < 2; i++) {
      clock.now++
      await fail(stopped, name, scope).catch(() => {})
    }
  }
  const { slowQueriesMax, slowQueriesPerTenantMax } = QUERY_LIMITS
  const refused = { code: 'QUERY_TOO_SLOW' }
  await stopTwice('of another', 'tenant 2')
  for (let i = 0; i <= slowQueriesMax; i++) await stopTwice(`slow ${i}`, 'tenant 1')
  await attempt('of another').toMatchObject(refused)
  await attempt(`slow ${slowQueriesMax - slowQueriesPerTenantMax}`).toBe(executed)
  await attempt(`slow ${slowQueriesMax - slowQueriesPerTenantMax + 1}`).toMatchObject(refused)
  for (let i = 0; i < slowQueriesMax; i++) await stopTwice(`of many ${i}`, `tenant ${3 + i}`)
  await attempt('of another').toBe(executed)
})

test('queries are the same whose times are in the same minute', () => {
  const name = (endTime: string, tenantId = 1) =>
    queryNameOf('q', { tenantId }, { endTime, name: 'x' })
  expect(name('2026-11-10T10:00:01Z')).toBe(name('2026-11-10T10:00:59.5Z'))
  expect(name('2026-11-10T10:00:01Z')).not.toBe(name('2026-11-10T10:01:00Z'))
  expect(name('2026-11-10T10:00:01Z')).not.toBe(name('2026-11-10T10:00:01Z', 2))
})
