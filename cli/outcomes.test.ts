import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TOPICS } from '../contract/log/topics.ts'
import { createDatabase, type Database } from '../core/db/database.ts'
import { createTestDatabase, type TestDatabase } from '../tests/lib/database.ts'
import { waitForOutcomes } from './outcomes.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url)
})
afterAll(async () => {
  await db.destroy()
  await database.drop()
})

test('outcomes are counted once the worker has applied the last event of each partition', async () => {
  const readOn = (partition: number, offset: number) =>
    database.pool.query(
      'UPDATE log_position SET next_offset = $3 WHERE topic = $1 AND partition = $2',
      [TOPICS.raw.name, partition, offset],
    )
  const lastOffsets = new Map([
    [1, 5],
    [4, 0],
  ])
  let outcomes: unknown
  const waiting = waitForOutcomes(db, { requestIds: [], lastOffsets, since: new Date() }).then(
    (found) => {
      outcomes = found
    },
  )
  for (const [partition, offset] of [
    [4, 1],
    // As far as the last event, which is not applied yet.
    [1, 5],
  ] as const) {
    await readOn(partition, offset)
    await sleep(300)
    expect(outcomes).toBeUndefined()
  }
  await readOn(1, 6)
  await waiting
  expect(outcomes).toEqual({ stored: 0, dead: 0 })
})
