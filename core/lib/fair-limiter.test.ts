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

test('what waits for a client that left makes room at once, and the others keep their order', async () => {
  const limiter = createFairLimiter({ concurrentMax: 1, queuedMax: 21, queueMsMax: 60_000 })
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  const first = await limiter.acquire('a')
  const request = new AbortController()
  const left = Array.from({ length: 20 }, () =>
    limiter.acquire('a', request.signal).catch((error) => error.code),
  )
  let isLast = false
  const last = limiter.acquire('a').then((release) => {
    isLast = true
    return release
  })
  await expect(limiter.acquire('a')).rejects.toMatchObject({ code: 'OVERLOADED' })
  request.abort()
  expect(await Promise.all(left)).toEqual(Array(20).fill('QUERY_CANCELLED'))
  await expect(limiter.acquire('a', request.signal)).rejects.toMatchObject({
    code: 'QUERY_CANCELLED',
  })
  expect(isLast).toBe(false)
  const queued = limiter.acquire('a')
  first()
  const releaseLast = await last
  releaseLast()
  const release = await queued
  release()
  process.off('warning', onWarning)
  expect(warnings).toEqual([])
})

test('a client gets at most half of what the others leave free, and one permit is kept for the operator', async () => {
  const limiter = createFairLimiter({
    concurrentMax: 5,
    queuedMax: 10,
    queueMsMax: 60_000,
    totalMax: 10,
    reservedFor: 'operator',
  })
  const granted: Record<string, number> = {}
  const releases: (() => void)[] = []
  const ask = (client: string, times: number) => {
    for (let i = 0; i < times; i++)
      void limiter.acquire(client).then((release) => {
        granted[client] = (granted[client] ?? 0) + 1
        releases.push(release)
      })
  }
  for (const client of ['a', 'b', 'c', 'd', 'e', 'f']) ask(client, 6)
  ask('operator', 1)
  await expect.poll(() => granted.operator).toBe(1)
  // Nine for tenants: the sixth has to wait, and the operator does not.
  expect(granted).toEqual({ a: 4, b: 2, c: 1, d: 1, e: 1, operator: 1 })
  releases[0]?.()
  await expect.poll(() => granted.f).toBe(1)
})

test('a client that has used up its statement time gets one permit at a time until the minute is over', async () => {
  const limiter = createFairLimiter({
    concurrentMax: 3,
    queuedMax: 10,
    queueMsMax: 60_000,
    heldMsPerMinuteMax: 0.000_001,
  })
  const first = await limiter.acquire('greedy')
  await new Promise((resolve) => setImmediate(resolve))
  first()
  const second = await limiter.acquire('greedy')
  let third = 0
  void limiter.acquire('greedy').then(() => {
    third++
  })
  const others = await Promise.all([1, 2, 3].map(() => limiter.acquire('modest')))
  expect([others.length, third]).toEqual([3, 0])
  second()
  await expect.poll(() => third).toBe(1)
})

test('while two tenants send slow queries, a third one and the operator get their numbers', async () => {
  const fixture = await createQueryFixture(['default', 'greedy', 'modest'])
  const occurredAt = '2026-11-20T10:00:00Z'
  await fixture.store('modest', [{ occurredAt }])
  const metrics = (args: string) =>
    `metrics(name: "*", startTime: "2026-11-20T00:00:00Z", endTime: "2026-11-21T00:00:00Z", interval: TOTAL, ${args}) { value }`
  const many = Array.from({ length: 20 }, (_, i) => `f${i}: ${metrics('aggregate: UNIQUES')}`)
  const blocker = await fixture.database.pool.connect()
  await blocker.query('BEGIN; LOCK TABLE event')
  const waiting = ['default', 'greedy'].map(async (tenant) =>
    fixture.execute(`{ ${many.join(' ')} }`, await fixture.keyOf(tenant)),
  )
  const blocked = async () => {
    const { rows } = await fixture.database.pool.query(
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    return rows[0].n
  }
  // Four and two of ten.
  await expect.poll(blocked).toBe(6)
  const count = metrics('aggregate: COUNT')
  const modest = await fixture.execute(`{ ${count} }`, await fixture.keyOf('modest'))
  expect([modest.errors, modest.data]).toEqual([undefined, { metrics: [{ value: 1 }] }])
  const operator = await fixture.execute(
    `{ ${count.replace('name:', 'tenant: "modest", name:')} }`,
    await fixture.session(),
  )
  expect([operator.errors, operator.data]).toEqual([undefined, { metrics: [{ value: 1 }] }])
  expect(await blocked()).toBe(6)
  await blocker.query('ROLLBACK')
  blocker.release()
  await Promise.all(waiting)
  await fixture.close()
})
