import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createDatabase } from '../core/db/database.ts'
import { migrate } from '../core/db/migrate.ts'
import { ROOT } from '../core/lib/paths.ts'
import { readLag } from '../core/queries/pipeline/lag.ts'
import { createTestDatabase } from './lib/database.ts'

/** What version 0.2 had stored after six events, a dead letter, and an offset gap in partition 3. */
const STORED_BY_0_1 = `
  INSERT INTO tenant (slug, events_per_minute) VALUES ('shop', 5000);
  INSERT INTO series (tenant_id, metric)
    SELECT tenant_id, metric FROM tenant, unnest(ARRAY['*', 'page_view', 'purchase']) metric WHERE slug = 'shop';
  CREATE TABLE event_20261129 PARTITION OF event FOR VALUES FROM ('2026-11-29') TO ('2026-11-30');
  INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, name, value, properties, log_partition, log_offset)
    SELECT tenant_id, gen_random_uuid(), '2026-11-29', '2026-11-29T12:00:00Z', '2026-11-29T11:00:00Z'::timestamptz + i * interval '10 min',
           CASE WHEN i < 4 THEN 'page_view' ELSE 'purchase' END, CASE WHEN i < 4 THEN NULL ELSE i + 0.5 END, '{}', i, 0
      FROM tenant, generate_series(0, 5) i WHERE slug = 'shop';
  INSERT INTO rollup_quarter (tenant_id, series_id, bucket, count, value_count, sum, min, max, late_count)
    SELECT e.tenant_id, s.series_id, date_bin('15 min', occurred_at, '2000-01-01T00:00:00Z'), count(*), count(value),
           coalesce(sum(value), 0), min(value), max(value), 1
      FROM event e JOIN series s ON s.tenant_id = e.tenant_id AND s.metric IN ('*', e.name) GROUP BY 1, 2, 3;
  INSERT INTO outcome_minute (tenant_id, minute, stored, duplicate, dead)
    SELECT tenant_id, '2026-11-29T12:00:00Z', 6, 2, 1 FROM tenant WHERE slug = 'shop';
  UPDATE log_partition SET next_offset = 2 WHERE topic = 'events.raw';
  UPDATE log_position SET next_offset = 1 WHERE topic = 'events.raw';
  UPDATE log_lease SET read_up_to = '2026-11-29T12:00:00Z';
  INSERT INTO log_gap (topic, partition, wanted, found) VALUES ('events.raw', 3, 1, 2);`

const ROLLUPS = (table: string) => `
  SELECT metric, bucket, count, value_count, sum, min, max, late_count
    FROM ${table} r JOIN series s USING (tenant_id, series_id) ORDER BY metric, bucket`

test('a database of version 0.2 is upgraded with all its numbers', async () => {
  const database = await createTestDatabase()
  const db = createDatabase(database.url, { max: 1 })
  const folder = mkdtempSync(join(tmpdir(), 'sluice-upgrade-'))
  onTestFinished(async () => {
    await db.destroy()
    await database.drop()
    rmSync(folder, { recursive: true })
  })
  const { pool } = database
  await pool.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public')
  const migrations = readdirSync(join(ROOT, 'migrations')).filter((file) => file.endsWith('.sql'))
  for (const file of migrations.filter((file) => file < '000009'))
    copyFileSync(join(ROOT, 'migrations', file), join(folder, file))
  await migrate(database.url, undefined, folder)
  await pool.query(STORED_BY_0_1)
  const before = await pool.query(ROLLUPS('rollup_quarter'))
  expect(before.rows.length).toBeGreaterThan(6)

  const applied = await migrate(database.url)

  expect(applied.map(({ number }) => number)).toContain(9)
  expect((await pool.query(ROLLUPS('rollup_15m'))).rows).toEqual(before.rows)
  const recounted = await pool.query(`
    SELECT metric, sum(count)::int AS counted,
           (SELECT count(*)::int FROM event e WHERE e.tenant_id = s.tenant_id AND s.metric IN ('*', e.name)) AS stored
      FROM rollup_15m JOIN series s USING (tenant_id, series_id) GROUP BY s.tenant_id, metric ORDER BY metric`)
  expect(recounted.rows).toEqual([
    { metric: '*', counted: 6, stored: 6 },
    { metric: 'page_view', counted: 4, stored: 4 },
    { metric: 'purchase', counted: 2, stored: 2 },
  ])
  const { rows } = await pool.query('SELECT DISTINCT applied_through FROM log_lease')
  expect(rows).toEqual([{ applied_through: new Date('2026-11-29T12:00:00Z') }])
  const offsets = Array.from({ length: 6 }, (_, partition) => ({
    partition,
    logStartOffset: 0,
    lastStableOffset: 2,
    logEndOffset: 2,
  }))
  expect(
    await readLag(db, { offsets: async () => offsets, identity: async () => 'a log' }),
  ).toMatchObject({
    applied: 6,
    lag: 6,
    gaps: [{ partition: 3, expected: 1, available: 2 }],
  })
})
