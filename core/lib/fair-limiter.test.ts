import { expect, test } from 'vitest'
import { createQueryFixture } from '../api/graphql/testing/fixture.ts'
import { QUERY_LIMITS } from '../queries/limits.ts'
import { createFairLimiter } from './fair-limiter.ts'

test('a client with too many queries does not keep another one waiting', async () => {
  const fixture = await createQueryFixture()
  const occurredAt = '2026-11-20T10:00:00Z'
  for (const tenant of ['default', 'other']) await fixture.store(tenant, [{ occurredAt }])
  const [greedy, modest] = await Promise.all([fixture.keyOf('default'), fixture.keyOf('other')])
  const metrics = (args: string) =>
    `metrics(name: "*", startTime: "2026-11-20T00:00:00Z", endTime: "2026-11-21T00:00:00Z", interval: TOTAL, ${args}) { value }`
  const many = Array.from({ length: 40 }, (_, i) => `f${i}: ${metrics('aggregate: UNIQUES')}`)

  const blocker = await fixture.database.pool.connect()
  await blocker.query('BEGIN; LOCK TABLE event')
  const waiting = fixture.execute(`{ ${many.join(' ')} }`, greedy)
  const blocked = async () => {
    const { rows } = await fixture.database.pool.query(
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    return rows[0].n
  }
  await expect.poll(blocked).toBeGreaterThan(0)
  const response = await fixture.execute(`{ ${metrics('aggregate: COUNT')} }`, modest)
  expect([response.errors, response.data]).toEqual([undefined, { metrics: [{ value: 1 }] }])
  expect(await blocked()).toBeLessThanOrEqual(QUERY_LIMITS.concurrentQueriesMax)
  await blocker.query('ROLLBACK')
  blocker.release()
  const { data, errors } = await waiting
  expect([errors, Object.keys(data ?? {}).length]).toEqual([undefined, 40])
  await fixture.close()
})

test('permits are granted in order for each client, and waiting is limited in number and time', async () => {
  const limiter = createFairLimiter({ concurrentMax: 1, queuedMax: 2, queueMsMax: 60_000 })
  const done: string[] = []
  const first = await limiter.acquire('a')
  const others = ['second', 'third'].map(async (name) => {
    const over = await limiter.acquire('a')
    done.push(name)
    over()
    over()
  })
  await expect(limiter.acquire('a')).rejects.toMatchObject({ code: 'OVERLOADED' })
  const another = await limiter.acquire('b')
  another()
  expect(done).toEqual([])
  first()
  await Promise.all(others)
  expect(done).toEqual(['second', 'third'])

  const impatient = createFairLimiter({ concurrentMax: 1, queuedMax: 2, queueMsMax: 1 })
  const over = await impatient.acquire('a')
  await expect(impatient.acquire('a')).rejects.toMatchObject({ code: 'OVERLOADED' })
  over()
  const again = await impatient.acquire('a')
  again()
})
