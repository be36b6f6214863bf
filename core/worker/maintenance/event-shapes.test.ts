import { expect, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase } from '../../../tests/lib/database.ts'
import { rawRecord } from '../../../tests/lib/records.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { createWorker } from '../worker.ts'

test('a worker learns the shapes of what it stores, and adds the last of them when it stops', async () => {
  const database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  const log = await createPostgresLog({ url: database.url })
  const stop = new AbortController()
  const logger = { info() {}, warn() {}, error() {} }
  const running = createWorker({ databaseUrl: database.url, log, logger }).run(stop.signal)
  const records = Array.from({ length: 20 }, (_, i) =>
    rawRecord({ name: 'order', event_id: `e-${i}`, properties: { price: i, plan: 'pro' } }),
  )
  await log.append(TOPICS.raw.name, records)
  const applied = 'SELECT sum(next_offset)::int AS n FROM log_position'
  await expect
    .poll(async () => (await database.pool.query(applied)).rows)
    .toEqual([{ n: records.length }])
  stop.abort()
  await running
  await log.close()
  const { rows } = await database.pool.query(
    'SELECT name, path, type, events FROM event_shape_path ORDER BY path',
  )
  await database.drop()
  const seen = { name: 'order', events: String(records.length) }
  expect(rows).toEqual([
    { ...seen, path: '/plan', type: 'string' },
    { ...seen, path: '/price', type: 'number' },
  ])
})
