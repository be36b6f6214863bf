import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { countTotals, rawRecord } from '../../../tests/lib/records.ts'
import type { Log } from '../../log/log.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { createPartitionMaintenance } from '../maintenance/partition-maintenance.ts'
import { runConsumer } from './partition-consumer.ts'

const PARTITIONS = [0, 1, 2, 3, 4, 5]

let database: TestDatabase
let log: Log
let pool: pg.Pool
let stop: AbortController
let consumers: Promise<void>[]
let warnings: string[]

beforeEach(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  log = await createPostgresLog({ url: database.url })
  pool = new pg.Pool({ connectionString: database.url, max: 4 })
  stop = new AbortController()
  consumers = []
  warnings = []
})
afterEach(async () => {
  stop.abort()
  await Promise.all(consumers)
  await pool.end()
  await log.close()
  await database.drop()
})

/** A consumer without leases: nothing tells it whether the partitions are its own. */
function startConsumer(name: string): void {
  const logger = { info() {}, warn: (_: object, text: string) => warnings.push(text), error() {} }
  const maintenance = createPartitionMaintenance({ pool })
  const execute = (sql: string, values: unknown[]) => pool.query(sql, values)
  const notifier = { notify() {} }
  const deps = { databaseUrl: database.url, log, maintenance, execute, notifier, logger }
  consumers.push(runConsumer(deps, name, PARTITIONS, stop.signal))
}

test('three consumers that believe to own the same partitions write every record once, and count it once', async () => {
  for (const name of ['one', 'two', 'three']) startConsumer(name)
  const expected = { stored: 0, duplicates: 0, conflicting: 0, dead: 0 }
  // No poison records: a dead letter's offset is unique, which would hide a batch that is written twice.
  for (let round = 0; round < 150; round++) {
    const records = Array.from({ length: 40 }, (_, i) => {
      const again = i % 10 === 3 && round > 0
      expected[again ? 'duplicates' : 'stored']++
      return rawRecord({
        event_id: `order-${again ? `${round - 1}-${i + 1}` : `${round}-${i}`}`,
        actor: `actor-${again ? i + 1 : i}`,
        value: (again ? i + 1 : i) / 3,
      })
    })
    await log.append(TOPICS.raw.name, records)
    await sleep(15)
  }
  const sum = async () =>
    (await database.pool.query('SELECT sum(next_offset)::int AS n FROM log_position')).rows[0].n
  await expect.poll(sum, { timeout: 20_000 }).toBe(6_000)
  stop.abort()
  await Promise.all(consumers)
  // None has moved a position back either.
  expect(await sum()).toBe(6_000)
  expect(await countTotals(database.pool)).toEqual({ ...expected, wrongRollups: 0, double: 0 })
  // Else it would prove nothing.
  expect(warnings.filter((text) => text.startsWith('position moved')).length).toBeGreaterThan(10)
})
