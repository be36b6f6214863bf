import { afterEach, beforeEach, expect, test } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import type { EventRow } from './decode/decoded.ts'
import { createTenants } from './decode/tenant-settings.ts'
import { createSeriesDirectory } from './write/series.ts'

/** A batch is prepared while the one before it is still being written. */
let database: TestDatabase
const ask = (sql: string, values: unknown[]) => database.pool.query(sql, values)

beforeEach(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('one'), ('two')")
})
afterEach(() => database.drop())

test('a batch that is being written keeps its tenants while they are looked up again', async () => {
  let now = 0
  const tenants = createTenants(ask, () => now)
  await tenants.learn(['one', 'two'])
  const one = tenants.get('one')?.id as number
  const before = tenants.get('one')?.eventAgeMaxS
  await database.pool.query('UPDATE tenant SET event_age_max_s = 5')
  now += LIMITS.tenantCacheMs
  const learning = tenants.learn(['two'])
  expect(tenants.byId(one).eventAgeMaxS).toBe(before)
  await learning
  expect(tenants.byId(one).eventAgeMaxS).toBe(before)
  // What an operator has changed is in force for the batch that asked.
  expect(tenants.get('two')?.eventAgeMaxS).toBe(5)
  await tenants.learn(['one', 'two'])
  expect(tenants.get('one')?.eventAgeMaxS).toBe(5)
  expect(tenants.byId(one).eventAgeMaxS).toBe(5)
})

test('a deleted tenant is unknown once its time in the cache is over', async () => {
  let now = 0
  const tenants = createTenants(ask, () => now)
  await tenants.learn(['one'])
  await database.pool.query("DELETE FROM tenant WHERE slug = 'one'")
  now += LIMITS.tenantCacheMs
  await tenants.learn(['one'])
  expect(tenants.get('one')).toBeUndefined()
})

test('a batch that is being written keeps its series when the cache overflows', async () => {
  const series = createSeriesDirectory(ask, 3)
  const rows = (...names: string[]) =>
    names.map((name) => ({ tenantId: 1, event: { name } })) as EventRow[]
  await series.learn(rows('a', 'b', 'c', 'd'))
  const ids = ['a', 'b', 'c', 'd'].map((name) => series.id(1, name))
  const learning = series.learn(rows('a', 'e'))
  expect(['a', 'b', 'c', 'd'].map((name) => series.id(1, name))).toEqual(ids)
  await learning
  expect(['a', 'b', 'c', 'd'].map((name) => series.id(1, name))).toEqual(ids)
  expect(series.id(1, 'e')).toBeGreaterThan(0)
  // Two batches later nobody needs them.
  await series.learn(rows('f', 'g', 'h'))
  await series.learn(rows('i'))
  expect(() => series.id(1, 'b')).toThrow('was not loaded before its batch')
})

test('made-up names push out no series that is in use', async () => {
  const questions: string[][] = []
  const counting = (sql: string, values: unknown[]) => {
    if (sql.includes('unnest')) questions.push(values[1] as string[])
    return ask(sql, values)
  }
  const series = createSeriesDirectory(counting, 10)
  const rows = (...names: string[]) =>
    names.map((name) => ({ tenantId: 1, event: { name } })) as EventRow[]
  await series.learn(rows('in-use', 'in-use-too'))
  questions.length = 0
  for (let batch = 0; batch < 20; batch++)
    await series.learn(
      rows('in-use', 'in-use-too', ...[1, 2, 3, 4].map((i) => `made-up-${batch}-${i}`)),
    )
  expect(questions).toHaveLength(20)
  expect(questions.flat().filter((name) => name.startsWith('in-use'))).toEqual([])
})
