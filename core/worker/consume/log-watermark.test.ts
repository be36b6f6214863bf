import { afterEach, beforeEach, expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import type { PartitionOffsets } from '../../log/log.ts'
import { trackLogWatermark } from './log-watermark.ts'

const topic = TOPICS.raw.name

let database: TestDatabase
const sql = async (text: string, values?: unknown[]) =>
  (await database.pool.query(text, values)).rows
beforeEach(async () => {
  database = await createTestDatabase()
  await sql("UPDATE log_lease SET worker_id = CASE WHEN partition < 5 THEN 'w' ELSE 'other' END")
  await sql('UPDATE log_position SET next_offset = 5')
})
afterEach(() => database.drop())

test('a partition is applied through when its end was read that its position has reached, and through nothing in a log that ends before', async () => {
  /** Postgres' clock when the ends were read, each time. */
  const readAt: number[] = []
  const end = (partition: number, lastStableOffset: number, more = {}): PartitionOffsets => ({
    partition,
    logStartOffset: 0,
    lastStableOffset,
    ...more,
  })
  const stop = new AbortController()
  const tracking = trackLogWatermark(
    {
      execute: (text, values) => database.pool.query(text, values),
      topic,
      workerId: 'w',
      async readOffsets() {
        const [clock] = await sql(
          'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms',
        )
        readAt.push(clock?.ms)
        // More comes after the first look, into a partition whose position had reached its end.
        const grown = readAt.length === 1 ? 5 : 8
        return [
          end(0, grown),
          // The position is no position of this log.
          end(1, 3),
          end(2, 6),
          end(3, 5, { logEndOffset: 7 }),
          end(5, 5),
        ]
      },
    },
    stop.signal,
  )
  const applied = async () =>
    (
      await sql(
        'SELECT partition, (extract(epoch FROM applied_through) * 1000)::float8 AS ms FROM log_lease WHERE applied_through IS NOT NULL',
      )
    ).map(({ partition, ms }) => [partition, ms] as const)
  await expect.poll(async () => (await applied()).length).toBe(1)
  stop.abort()
  await tracking
  const [[partition, ms] = []] = await applied()
  expect(partition).toBe(0)
  // What came after the look at the end may wait: the time is that before the look.
  expect(ms).toBeLessThanOrEqual((readAt[0] as number) - LIMITS.logAppendMsMax)
})
