import { expect, onTestFinished, test } from 'vitest'
import { startCore } from '../../../tests/lib/core-process.ts'
import { createTestDatabase } from '../../../tests/lib/database.ts'

test('SLUICE_WORKER_CONCURRENCY says how many connections of a worker write', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const env = { SLUICE_WORKER_CONCURRENCY: '3' }
  const worker = await startCore({ roles: ['worker'], databaseUrl: database.url, env })
  onTestFinished(async () => void (await worker.stop()))
  const lanes = async () => {
    const { rows } = await database.pool.query(
      `SELECT count(*)::int AS lanes FROM pg_stat_activity
        WHERE application_name LIKE 'sluice worker lane %' AND datname = current_database()`,
    )
    return rows[0].lanes
  }
  await expect.poll(lanes).toBe(3)
})
