import { expect, onTestFinished, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { createTestDatabase } from '../../../tests/lib/database.ts'
import { countTotals, rawRecord } from '../../../tests/lib/records.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'
import { createWorker } from '../worker.ts'

test('the same id from two tenants in one batch is two events', async () => {
  const database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default'), ('other')")
  const log = await createPostgresLog({ url: database.url })
  const stop = new AbortController()
  const logger = { info() {}, warn() {}, error() {} }
  const running = createWorker({ databaseUrl: database.url, log, logger }).run(stop.signal)
  onTestFinished(async () => {
    stop.abort()
    await running
    await log.close()
    await database.drop()
  })

  const event_id = 'order-1'
  const records = ['default', 'other', 'default'].map((tenant) => rawRecord({ tenant, event_id }))
  await log.append(
    TOPICS.raw.name,
    records.map((record) => ({ ...record, partition: 3 })),
  )

  await expect.poll(() => countTotals(database.pool)).toMatchObject({ stored: 2, duplicates: 1 })
  const { rows } = await database.pool.query(
    'SELECT slug FROM event JOIN tenant USING (tenant_id) ORDER BY slug',
  )
  expect(rows).toEqual([{ slug: 'default' }, { slug: 'other' }])
})
