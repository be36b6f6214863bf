import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { createClockTranslator } from './clock-translator.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 1 })
})
afterAll(async () => {
  await db?.destroy()
  await database?.drop()
})

const HOUR_MS = 3_600_000

async function readPostgresMs(): Promise<number> {
  const { rows } = await database.pool.query(
    'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms',
  )
  return rows[0].ms
}

test.each([
  ['an hour fast', HOUR_MS],
  ['an hour slow', -HOUR_MS],
  ['right', 0],
])(
  'a result is never taken for younger than it is when the clock of core is %s',
  async (_, skewMs) => {
    const localNow = () => Date.now() + skewMs
    const clock = createClockTranslator(db, localNow)
    const local = localNow()
    const asOf = await clock.toDatabase(local)
    const after = await readPostgresMs()
    expect(asOf).toBeLessThanOrEqual(after)
    expect(after - asOf).toBeLessThan(HOUR_MS / 2)

    const postgres = await readPostgresMs()
    const back = await clock.fromDatabase(postgres)
    expect(back).toBeLessThanOrEqual(localNow())
    expect(localNow() - back).toBeLessThan(HOUR_MS / 2)
  },
)

test('a clock that steps is measured again', async () => {
  let skewMs = 0
  const localNow = () => Date.now() + skewMs
  const clock = createClockTranslator(db, localNow)
  await clock.toDatabase(localNow())
  skewMs = HOUR_MS
  const asOf = await clock.toDatabase(localNow())
  expect(asOf).toBeLessThanOrEqual(await readPostgresMs())
})
