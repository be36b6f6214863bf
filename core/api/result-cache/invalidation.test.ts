import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { BUCKET_15M_MS } from '../../db/changed-buckets.ts'
import { CHANNELS } from '../../db/channels.ts'
import { createInvalidation, type Invalidation } from './invalidation.ts'

const BUCKETS_MAX = 8
/** Never notified of: a later notification was heard once it is known to have changed. */
const MARKER = 1_000_000

let database: TestDatabase
let invalidation: Invalidation
let clock = 1

beforeAll(async () => {
  database = await createTestDatabase()
  const options = { databaseUrl: database.url, logger: { warn() {} }, bucketsMax: BUCKETS_MAX }
  invalidation = createInvalidation({ ...options, now: () => clock })
  clock = 2
  await vi.waitUntil(() => invalidation.unchanged(MARKER, rangeOf(0, 0), clock + 1), 15_000)
})
afterAll(async () => {
  await invalidation.close()
  await database.drop()
})

const rangeOf = (first: number, last: number) => ({
  startMs: first * BUCKET_15M_MS,
  endMs: (last + 1) * BUCKET_15M_MS,
})

let markers = 0
/** @returns when it was heard */
async function change(payload: string): Promise<number> {
  clock += 10
  const at = clock
  const marker = MARKER + ++markers
  await database.pool.query('SELECT pg_notify($1, $2)', [
    CHANNELS.changedBuckets,
    `${payload};${marker}:0`,
  ])
  await expect.poll(() => invalidation.unchanged(marker, rangeOf(0, 0), at)).toBe(false)
  clock += 10
  return at
}

test('a bucket that changes again after others has changed since, in whatever order buckets change', async () => {
  await change('1:10')
  await change('1:20')
  const between = clock
  await change('1:10')
  expect(invalidation.unchanged(1, rangeOf(10, 10), between)).toBe(false)
  expect(invalidation.unchanged(1, rangeOf(20, 20), between)).toBe(true)
  expect(invalidation.unchanged(1, rangeOf(5, 30), between)).toBe(false)
  expect(invalidation.unchanged(1, rangeOf(11, 19), between)).toBe(true)
  expect(invalidation.unchanged(1, rangeOf(10, 10), clock)).toBe(true)
  expect(invalidation.unchanged(2, rangeOf(10, 10), between)).toBe(true)
})

test('of buckets that were forgotten nothing is known to be unchanged, and what came later is', async () => {
  const before = clock
  for (let bucket = 100; bucket < 104; bucket++) await change(`3:${bucket}`)
  const during = clock
  for (let bucket = 104; bucket < 100 + 2 * BUCKETS_MAX; bucket++) await change(`3:${bucket}`)
  for (const since of [before, during])
    expect(invalidation.unchanged(3, rangeOf(50, 50), since)).toBe(false)
  expect(invalidation.unchanged(3, rangeOf(50, 50), clock)).toBe(true)
})

test('a change of any bucket, and one of more buckets than are remembered, is one of every tenant', async () => {
  for (const payload of [`4:0-${BUCKETS_MAX + 1}`, '']) {
    clock += 10
    const before = clock
    await database.pool.query('SELECT pg_notify($1, $2)', [CHANNELS.changedBuckets, payload])
    await expect.poll(() => invalidation.unchanged(5, rangeOf(50, 50), before)).toBe(false)
    clock += 10
    expect(invalidation.unchanged(5, rangeOf(50, 50), clock)).toBe(true)
  }
})
