import { expect, onTestFinished, test } from 'vitest'
import { TOPICS } from '../../../contract/log/topics.ts'
import { startCore } from '../../../tests/lib/core-process.ts'
import { createTestDatabase } from '../../../tests/lib/database.ts'
import { hearNotifications } from '../../../tests/lib/notifications.ts'
import { rawRecord } from '../../../tests/lib/records.ts'
import { monotonicNow } from '../../api/result-cache/clock-translator.ts'
import { createInvalidation } from '../../api/result-cache/invalidation.ts'
import { CHANNELS } from '../../db/channels.ts'
import { createPostgresLog } from '../../log/postgres/postgres-log.ts'

test('a worker that is killed between a commit and its notification leaves no cached result wrong: the next owner notifies of everything', async () => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('default')")
  const heard = await hearNotifications(database.url, [CHANNELS.changedBuckets])
  onTestFinished(() => heard.close())
  const invalidation = createInvalidation({ databaseUrl: database.url, logger: { warn() {} } })
  onTestFinished(() => invalidation.close())
  const log = await createPostgresLog({ url: database.url })
  onTestFinished(() => log.close())
  const startWorker = async () => {
    const worker = await startCore({ roles: ['worker'], databaseUrl: database.url })
    onTestFinished(() => void worker.process.kill('SIGKILL'))
    return worker
  }

  await setNotifying(false)
  const worker = await startWorker()
  const at = '2026-11-10T10:00:00.000Z'
  const range = { startMs: Date.parse(at), endMs: Date.parse(at) + 1 }
  await expect.poll(() => invalidation.unchanged(1, range, monotonicNow())).toBe(true)
  const cachedAt = monotonicNow()
  await log.append(TOPICS.raw.name, [rawRecord({ occurred_at: at })])
  const stored = async () => (await database.pool.query('SELECT FROM event')).rowCount
  await expect.poll(stored).toBe(1)
  await worker.stop('SIGKILL')
  expect(await heard.payloads(CHANNELS.changedBuckets)).toEqual([])
  expect(invalidation.unchanged(1, range, cachedAt)).toBe(true)

  await setNotifying(true)
  await startWorker()
  await expect.poll(() => invalidation.unchanged(1, range, cachedAt)).toBe(false)
  expect(new Set(await heard.payloads(CHANNELS.changedBuckets))).toEqual(new Set(['']))

  /** Without it each notification fails, in connections that are opened from now on. */
  async function setNotifying(works: boolean): Promise<void> {
    const name = new URL(database.url).pathname.slice(1)
    if (works) await database.pool.query(`ALTER DATABASE ${name} RESET search_path`)
    else
      await database.pool.query(`
        CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS
          $$ BEGIN RAISE EXCEPTION 'no notifications'; END $$;
        ALTER DATABASE ${name} SET search_path = public, pg_catalog`)
  }
})
