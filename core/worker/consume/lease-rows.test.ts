import type pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { type LeaseGroup, openLeaseConnection, rebalance, releaseLeases } from './lease-rows.ts'

/** A worker without consumers: `owned` returns the partitions they would still read. */
interface TestWorker {
  owned: number[]
  rebalance(): ReturnType<typeof rebalance>
  leave(): Promise<void>
}

let database: TestDatabase
let workers: TestWorker[]
beforeEach(async () => {
  database = await createTestDatabase()
  workers = []
})
afterEach(async () => {
  await Promise.all(workers.map((worker) => worker.leave()))
  await database.drop()
})

async function join(name: string): Promise<TestWorker> {
  const group: LeaseGroup = {
    databaseUrl: database.url,
    topic: TOPICS.raw.name,
    workerId: `host-${name.padEnd(8, '-')}`,
    owned: () => new Set(worker.owned),
    stats: () => ({ batches: 0, batchMs: 0 }),
  }
  const client: pg.Client = await openLeaseConnection(group, () => {})
  const worker: TestWorker = {
    owned: [],
    rebalance: () => rebalance(client, group),
    leave: () => releaseLeases(client, group.workerId),
  }
  workers.push(worker)
  return worker
}

async function owners(): Promise<(string | null)[]> {
  const { rows } = await database.pool.query(
    "SELECT left(substr(worker_id, 6), 3) AS name FROM log_lease WHERE topic = 'events.raw' ORDER BY partition",
  )
  return rows.map(({ name }) => name)
}

test('a partition is another worker’s only once the consumer that reads it has ended', async () => {
  const one = await join('one')
  expect(await one.rebalance()).toEqual({ partitions: [0, 1, 2, 3, 4, 5], workers: 1 })
  one.owned = [0, 1, 2, 3, 4, 5]
  const two = await join('two')
  expect(await two.rebalance()).toEqual({ partitions: [], workers: 2 })
  // Its consumers end from now on, and none of them has.
  expect((await one.rebalance()).partitions).toEqual([0, 1, 2])
  expect(await owners()).toEqual(Array(6).fill('one'))
  expect((await two.rebalance()).partitions).toEqual([])
  one.owned = [0, 1, 2, 4]
  await one.rebalance()
  expect((await two.rebalance()).partitions).toEqual([3, 5])
  expect(await owners()).toEqual(['one', 'one', 'one', 'two', 'one', 'two'])
  one.owned = [0, 1, 2]
  await one.rebalance()
  expect((await two.rebalance()).partitions).toEqual([3, 4, 5])
})
