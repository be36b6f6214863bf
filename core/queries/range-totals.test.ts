import { afterAll, beforeAll, expect, test } from 'vitest'
import { createQueryFixture, type QueryFixture } from '../api/graphql/testing/fixture.ts'

let fixture: QueryFixture
let headers: Record<string, string>
beforeAll(async () => {
  fixture = await createQueryFixture()
  headers = await fixture.keyOf('default')
})
afterAll(() => fixture.close())

test('totals compare the range with the period of the same length before it', async () => {
  const at = (minute: number) =>
    new Date(Date.parse('2026-11-20T10:00:00Z') + minute * 60_000).toISOString()
  await fixture.store('default', [
    { name: 'a', actor: 'ada', occurredAt: at(3) },
    { name: 'a', actor: 'bob', occurredAt: at(20) },
    { name: 'a', actor: 'ada', occurredAt: at(49.999) },
    { name: 'b', actor: null, occurredAt: at(30) },
    // Exactly at the end, which is not in the range.
    { name: 'b', actor: 'eve', occurredAt: at(50) },
    { name: 'b', actor: 'eve', occurredAt: at(2.999) },
    { name: 'c', actor: 'eve', occurredAt: at(-40) },
    // A moment before the period before.
    { name: 'c', actor: 'zoe', occurredAt: at(-44.001) },
  ])
  await fixture.database.pool.query(
    `INSERT INTO outcome_minute (tenant_id, minute, duplicate, conflicting, dead) VALUES
       (1, '2026-11-20T10:02:00Z', 100, 10, 1), (1, '2026-11-20T10:03:00Z', 2, 0, 1),
       (1, '2026-11-20T10:49:00Z', 3, 7, 1), (1, '2026-11-20T10:50:00Z', 200, 20, 1)`,
  )
  const { data } = await fixture.execute(
    `{ totals(startTime: "${at(3)}", endTime: "${at(50)}") {
         count previousCount deadLetters previousDeadLetters duplicates conflicting uniqueActors previousUniqueActors
         names { name count previousCount } } }`,
    headers,
  )
  expect(data.totals).toEqual({
    count: 4,
    previousCount: 2,
    deadLetters: 2,
    previousDeadLetters: 1,
    duplicates: 5,
    conflicting: 7,
    uniqueActors: 2,
    previousUniqueActors: 1,
    names: [
      { name: 'a', count: 3, previousCount: 0 },
      { name: 'b', count: 1, previousCount: 1 },
    ],
  })
  // Of a minute in part all outcomes count, since they are kept by the minute.
  const touched = await fixture.execute(
    `{ totals(startTime: "${at(3.5)}", endTime: "${at(49.5)}") { deadLetters duplicates conflicting } }`,
    headers,
  )
  expect(touched.data.totals).toEqual({ deadLetters: 2, duplicates: 5, conflicting: 7 })
  const few = await fixture.execute(
    `{ totals(startTime: "${at(3)}", endTime: "${at(50)}", names: 1) { names { name } } }`,
    headers,
  )
  expect(few.data.totals.names).toEqual([{ name: 'a' }])
})

test("names that a library sends, such as PostHog's, are counted separately", async () => {
  const own = await createQueryFixture()
  const occurredAt = '2026-11-20T10:00:00Z'
  const names = ['$pageview', '$pageview', '$autocapture', '$other', 'signup']
  await own.store(
    'default',
    names.map((name) => ({ name, occurredAt })),
  )
  const range = 'startTime: "2026-11-20T10:00:00Z", endTime: "2026-11-20T10:15:00Z"'
  const { data, extensions } = await own.execute(
    `{ totals(${range}) { names { name count } }
       metrics(name: "*", ${range}, interval: TOTAL, groupBy: ["name"]) { value dimensions } }`,
    await own.keyOf('default'),
  )
  expect(data.totals.names).toEqual([
    { name: '$pageview', count: 2 },
    { name: '$autocapture', count: 1 },
    { name: '$other', count: 1 },
    { name: 'signup', count: 1 },
  ])
  expect(extensions?.source).toBe('rollup')
  expect(data.metrics.map(({ value, dimensions }: never) => [dimensions, value])).toEqual(
    data.totals.names.map(({ name, count }: never) => [{ name }, count]),
  )
  await own.close()
})

test('unique actors are null, not fewer, where events are no longer held', async () => {
  const own = await createQueryFixture()
  const headers = await own.keyOf('default')
  const on = (day: string, actor: string) => ({
    actor,
    occurredAt: `${day}T12:00:00Z`,
    receivedAt: `${day}T12:00:01Z`,
  })
  // One was received long after it occurred, and is held.
  const late = { actor: 'zoe', occurredAt: '2026-10-02T12:00:00Z' }
  await own.store('default', [on('2026-10-01', 'ada'), on('2026-11-01', 'bob'), late])
  const execute = async (start: string, end: string, at = ['00:00', '00:00']) => {
    const { data } = await own.execute(
      `{ totals(startTime: "${start}T${at[0]}:00Z", endTime: "${end}T${at[1]}:00Z") {
           count uniqueActors previousUniqueActors rawSince } }`,
      headers,
    )
    return data.totals
  }
  const whole = { count: 3, uniqueActors: 3, previousUniqueActors: 0, rawSince: null }
  expect(await execute('2026-09-01', '2026-12-01')).toEqual(whole)
  await own.database.pool.query('DROP TABLE event_20261001')
  expect(await execute('2026-09-01', '2026-12-01')).toEqual({
    ...whole,
    uniqueActors: null,
    rawSince: '2026-11-01T00:00:00Z',
  })
  // No 15-minute bucket lies whole in it.
  expect(await execute('2026-10-01', '2026-10-01', ['11:55', '12:10'])).toMatchObject({
    uniqueActors: null,
    rawSince: '2026-11-01T00:00:00Z',
  })
  expect(await execute('2026-10-01', '2026-10-01', ['12:20', '12:50'])).toMatchObject({
    uniqueActors: 0,
    rawSince: null,
  })
  expect(await execute('2026-10-02', '2026-11-02')).toEqual({
    count: 2,
    uniqueActors: 2,
    previousUniqueActors: null,
    rawSince: null,
  })
  await own.close()
})

test('a dropped event is missed that was received on the day before it occurred', async () => {
  const own = await createQueryFixture()
  const noon = '2026-10-02T12:00:00Z'
  await own.store('default', [
    { actor: 'ada', occurredAt: '2026-10-02T00:03:00Z', receivedAt: '2026-10-01T23:59:00Z' },
    { actor: 'bob', occurredAt: noon, receivedAt: noon },
  ])
  const headers = await own.keyOf('default')
  const execute = async () => {
    const { data } = await own.execute(
      `{ totals(startTime: "2026-10-01T00:00:00Z", endTime: "2026-10-03T00:00:00Z") { count uniqueActors rawSince } }`,
      headers,
    )
    return data.totals
  }
  expect(await execute()).toEqual({ count: 2, uniqueActors: 2, rawSince: null })
  await own.database.pool.query('DROP TABLE event_20261001')
  expect(await execute()).toEqual({
    count: 2,
    uniqueActors: null,
    rawSince: '2026-10-02T00:00:00Z',
  })
  await own.close()
})

test('a tenant without events has totals of zero', async () => {
  const { data } = await fixture.execute(
    `{ totals(startTime: "2026-11-20T00:00:00Z", endTime: "2026-11-21T00:00:00Z") {
         count previousCount deadLetters duplicates uniqueActors names { name } } }`,
    await fixture.keyOf('other'),
  )
  expect(data.totals).toEqual({
    count: 0,
    previousCount: 0,
    deadLetters: 0,
    duplicates: 0,
    uniqueActors: 0,
    names: [],
  })
})

test('an invalid argument of totals is rejected by its name', async () => {
  const execute = (args: string) => fixture.execute(`{ totals(${args}) { count } }`, headers)
  const range = 'startTime: "2026-11-20T00:00:00Z", endTime: "2026-11-21T00:00:00Z"'
  expect((await execute(`${range}, names: 101`)).errors?.[0]?.extensions.argument).toBe('names')
  expect(
    (await execute('startTime: "2026-11-21T00:00:00Z", endTime: "2026-11-20T00:00:00Z"'))
      .errors?.[0]?.extensions.argument,
  ).toBe('endTime')
})
