import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { readFreshness } from './freshness.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 2 })
})
afterAll(async () => {
  await db.destroy()
  await database.drop()
})
beforeEach(async () => {
  await database.pool.query('TRUNCATE canary, canary_sender')
})

async function plantSender(secondsAgo: number): Promise<void> {
  await database.pool.query(
    `INSERT INTO canary_sender VALUES (true, now() - make_interval(secs => $1), 60, '{https://a,https://b}', 5, 99)`,
    [secondsAgo],
  )
}

/** @param seconds until it was visible; null: never */
async function plant(
  edge: string,
  minutesAgo: number,
  seconds: number | null,
  failing: string | null = null,
): Promise<void> {
  await database.pool.query(
    `INSERT INTO canary SELECT gen_random_uuid(), $1, s, s, s + make_interval(secs => $3), $4
       FROM (SELECT now() - make_interval(mins => $2) AS s) t`,
    [edge, minutesAgo, seconds, failing],
  )
}

test('no state is reported without a sender, nor once the last canary is too old', async () => {
  expect(await readFreshness(db)).toMatchObject({ state: 'OFF', objective: null, edges: [] })
  await plantSender(95)
  await plant('https://a', 2, null, 'worker')
  await plant('https://a', 1, null, 'worker')
  expect(await readFreshness(db)).toMatchObject({ state: 'STALE', failingComponent: null })
})

test('a component is named after two failures in a row at one edge, and not after one', async () => {
  await plantSender(10)
  await plant('https://a', 3, 1)
  await plant('https://a', 2, null, 'edge')
  await plant('https://b', 2, null, 'edge')
  await plant('https://b', 1, 1)
  expect(await readFreshness(db)).toMatchObject({ state: 'OK', failingComponent: null })
  await plant('https://a', 1, null, 'edge')
  expect(await readFreshness(db)).toMatchObject({
    ...{ state: 'FAILING', failingComponent: 'edge' },
    edges: [
      { edge: 'https://a', failingComponent: 'edge' },
      { edge: 'https://b', failingComponent: null },
    ],
  })
  await plant('https://a', 0, 1)
  expect(await readFreshness(db)).toMatchObject({ state: 'OK', failingComponent: null })
})

test('percentiles are of the hour and the day, and the error budget is of 30 days', async () => {
  await plantSender(10)
  for (let i = 1; i <= 100; i++) await plant('https://a', i <= 50 ? 10 : 120, i / 100)
  for (let i = 0; i < 99; i++) await plant('https://a', 3_000, 1)
  // Too late, and never: two of 201, of which 1 % is 2.01.
  await plant('https://a', 20_000, 7)
  await plant('https://a', 20_001, null, 'log')
  // Nothing is known yet, and too old.
  await plant('https://b', 0, null)
  await plant('https://b', 50_000, 99)
  const { hour, day, objective } = await readFreshness(db)
  expect(hour).toEqual({ canaries: 50, p50: 0.25, p95: 0.48, p99: 0.5 })
  expect(day).toEqual({ canaries: 100, p50: 0.5, p95: 0.95, p99: 0.99 })
  expect(objective).toMatchObject({ targetSeconds: 5, percent: 99, canaries: 201, inTime: 199 })
  expect(objective?.errorBudgetLeft).toBeCloseTo(1 - 2 / 2.01, 6)
})
