import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { TOPICS } from '../contract/log/topics.ts'
import { createDatabase } from '../core/db/database.ts'
import { migrate } from '../core/db/migrate.ts'
import { DAY_MS } from '../core/db/partitions.ts'
import type { TenantViewer } from '../core/identity/viewer.ts'
import { ROOT } from '../core/lib/paths.ts'
import { createPostgresLog } from '../core/log/postgres/postgres-log.ts'
import { eventById } from '../core/queries/event-by-id.ts'
import { eventsPage } from '../core/queries/events-page.ts'
import { uniqueActors } from '../core/queries/unique-actors.ts'
import { createPartitionMaintenance } from '../core/worker/maintenance/partition-maintenance.ts'
import { createWorker } from '../core/worker/worker.ts'
import { createTestDatabase } from './lib/database.ts'
import { rawRecord } from './lib/records.ts'

/** The last one before days had a block range index and compact rows. */
const LAST_FORMER_MIGRATION = '000018'
const ID = '0192a1b2-0000-7000-8000-00000000000a'
const REQUEST_ID = '0192a1b2-0000-4000-8000-00000000000b'
const yesterday = new Date(Date.now() - DAY_MS).toISOString()

/** A day's table as it was created then, with an event of it. */
const STORED_BEFORE = `
  INSERT INTO tenant (slug) VALUES ('default');
  CREATE TABLE event_${yesterday.slice(0, 10).replaceAll('-', '')} PARTITION OF event
    FOR VALUES FROM ('${yesterday.slice(0, 10)}') TO ('${new Date().toISOString().slice(0, 10)}');
  INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, name, actor, properties, request_id, key_id, log_partition, log_offset)
  VALUES (1, '${ID}', '${yesterday.slice(0, 10)}', '${yesterday}', '${yesterday}', 'order', 'a', '{"n": 1}', '${REQUEST_ID}', gen_random_uuid(), 0, 0);
  INSERT INTO series (tenant_id, metric) VALUES (1, '*'), (1, 'order');
  INSERT INTO rollup_15m (tenant_id, series_id, bucket, count, value_count, sum, late_count)
  SELECT 1, series_id, date_bin('15 min', '${yesterday}', 'epoch'), 1, 0, 0, 0 FROM series;`

const viewer = { tenantId: 1, tenant: 'default' } as TenantViewer

test('days that a former version wrote are read with later ones, hold back duplicates, and get the index of later ones', async () => {
  const database = await createTestDatabase()
  const { pool, url } = database
  const folder = mkdtempSync(join(tmpdir(), 'sluice-mixed-days-'))
  const db = createDatabase(url, { max: 2 })
  onTestFinished(async () => {
    await db.destroy()
    await database.drop()
    rmSync(folder, { recursive: true })
  })
  await pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
  for (const file of readdirSync(join(ROOT, 'migrations')))
    if (file.slice(0, 6) <= LAST_FORMER_MIGRATION)
      copyFileSync(join(ROOT, 'migrations', file), join(folder, file))
  await migrate(url, undefined, folder)
  await pool.query(STORED_BEFORE)
  await migrate(url)

  const log = await createPostgresLog({ url })
  await log.append(TOPICS.raw.name, [
    rawRecord({ name: 'order', actor: 'b', properties: { n: 2 } }),
    rawRecord({ event_id: ID, name: 'order', actor: 'a', properties: { n: 1 } }),
    rawRecord({ event_id: ID, name: 'order', actor: 'a', properties: { n: 3 } }),
  ])
  const stop = new AbortController()
  const count = { stored: 0, duplicates: 0, conflicting: 0 }
  const worker = createWorker({
    databaseUrl: url,
    log,
    logger: { info() {}, warn() {}, error: console.error },
    onWritten({ stored, duplicates, conflicting }) {
      count.stored += stored
      count.duplicates += duplicates
      count.conflicting += conflicting
    },
  })
  const running = worker.run(stop.signal)
  await expect
    .poll(() => count, { timeout: 20_000 })
    .toEqual({ stored: 1, duplicates: 1, conflicting: 1 })
  stop.abort()
  await running
  await log.close()

  const page = await eventsPage(db, viewer, { name: 'order' })
  const shown = page.rows.map(({ node }) => [node.actor, node.properties, node.requestId])
  expect(shown).toEqual([
    ['b', { n: 2 }, 'a-request'],
    ['a', { n: 1 }, REQUEST_ID],
  ])
  expect((await eventById(db, viewer, { id: ID })).rows).toMatchObject([{ requestId: REQUEST_ID }])
  const range = { start: `${yesterday.slice(0, 10)}T00:00:00Z`, end: '2999-01-01T00:00:00Z' }
  expect((await uniqueActors(db, viewer, { range })).rows).toEqual([2])

  // Days later, when nothing is written into it any more.
  await pool.query("UPDATE log_lease SET applied_through = now() + interval '4 days'")
  await createPartitionMaintenance({ pool }).run()
  const { rows } = await pool.query(`
    SELECT c.relname LIKE '%${yesterday.slice(0, 10).replaceAll('-', '')}' AS former,
           (SELECT attname FROM pg_attribute WHERE attrelid = c.oid AND attnum = 1) AS first_column,
           count(*)::int AS days, bool_and(x.indisvalid) AS valid
      FROM pg_index p JOIN pg_inherits h ON h.inhparent = p.indexrelid JOIN pg_index x ON x.indexrelid = h.inhrelid
      JOIN pg_class c ON c.oid = x.indrelid
     WHERE p.indexrelid = 'event_by_occurrence'::regclass AND p.indisvalid GROUP BY 1, 2 ORDER BY 1`)
  expect(rows).toEqual([
    { former: false, first_column: 'received_at', days: 4, valid: true },
    { former: true, first_column: 'tenant_id', days: 1, valid: true },
  ])
  expect(await createPartitionMaintenance({ pool }).run()).toMatchObject({ indexed: [] })
})
