import { expect, onTestFinished, test } from 'vitest'
import { startCore } from '../../../tests/lib/core-process.ts'
import { createTestDatabase } from '../../../tests/lib/database.ts'

test('SLUICE_WORKER_CONCURRENCY sets how many connections of a worker write', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const env = { SLUICE_WORKER_CONCURRENCY: '3' }
  const worker = await startCore({ roles: ['worker'], databaseUrl: database.url, env })
  onTestFinished(async () => void (await worker.stop()))
  const consumers = async () => {
    const { rows } = await database.pool.query(
      `SELECT count(*)::int AS consumers FROM pg_stat_activity
        WHERE application_name LIKE 'sluice worker consumer %' AND datname = current_database()`,
    )
    return rows[0].consumers
  }
  await expect.poll(consumers).toBe(3)
})
