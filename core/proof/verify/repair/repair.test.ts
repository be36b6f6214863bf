import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rawRecord } from '../../../../tests/lib/records.ts'
import { createDatabase } from '../../../db/database.ts'
import { verifyAudit } from '../../../identity/audit/verify-audit.ts'
import type { ProofSystem } from '../../testing/proof-system.ts'
import { seedProofSystem } from '../testing/seed.ts'
import { verify } from '../verify.ts'
import { verifyAndRepair } from './verify-and-repair.ts'

let seed: ProofSystem
beforeAll(async () => {
  seed = await seedProofSystem()
}, 120_000)
afterAll(() => seed?.close())

const sql = async (text: string) => (await seed.database.pool.query(text)).rows
const options = () => ({ databaseUrl: seed.database.url, log: seed.log })
const repairAll = () => verifyAndRepair(options(), { kind: 'cli' })
const FIRST =
  '(SELECT tenant_id, series_id, bucket FROM rollup_15m WHERE tenant_id = 1 AND value_count > 0 ORDER BY bucket, series_id LIMIT 1 OFFSET %)'
const nth = (n: number) => FIRST.replace('%', String(n))
const ofNth = (n: number) => `WHERE (tenant_id, series_id, bucket) = ${nth(n)}`

/** Of what can be counted again, some of each kind. */
const PLANTED = [
  `UPDATE rollup_15m SET count = count + 1 ${ofNth(0)}`,
  `UPDATE rollup_15m SET sum = 'NaN' ${ofNth(1)}`,
  `UPDATE rollup_15m SET min = NULL, max = max + 1 ${ofNth(2)}`,
  `DELETE FROM rollup_15m ${ofNth(3)}`,
  `UPDATE rollup_15m SET late_count = 5, revised_at = NULL ${ofNth(4)}`,
  `UPDATE rollup_15m SET tenant_id = 2 ${ofNth(5)}`,
  `INSERT INTO rollup_15m SELECT tenant_id, series_id, bucket - interval '6 hours', 3, 0, 0, NULL, NULL, 0, NULL FROM rollup_15m ${ofNth(6)}`,
  'UPDATE metric_rollup_15m SET count = count + 1, max = max + 1 WHERE NOT backfilled AND bucket = (SELECT min(bucket) FROM metric_rollup_15m WHERE NOT backfilled)',
  'DELETE FROM metric_rollup_15m WHERE backfilled',
  'UPDATE sketch SET actors = set_bit(actors, length(actors) * 8 - 3, 1 - get_bit(actors, length(actors) * 8 - 3)) WHERE minutes = 15 AND series_id = 0 AND tenant_id = 2 AND bucket = (SELECT min(bucket) FROM sketch WHERE tenant_id = 2)',
  "UPDATE sketch SET quantiles = '\\x00ff' WHERE minutes = 60 AND series_id = 0 AND tenant_id = 1 AND bucket = (SELECT min(bucket) FROM sketch WHERE tenant_id = 1 AND minutes = 60)",
  'DELETE FROM sketch WHERE minutes = 1440 AND tenant_id = 2',
  'UPDATE rollup_long SET count = count + 1 WHERE minutes = 60 AND tenant_id = 2 AND bucket = (SELECT max(bucket) FROM rollup_long WHERE tenant_id = 2 AND minutes = 60)',
  'DELETE FROM rollup_long WHERE minutes = 1440 AND tenant_id = 1 AND series_id = 0',
  'UPDATE outcome_minute SET stored = stored + 1 WHERE tenant_id = 1 AND minute = (SELECT min(minute) FROM outcome_minute WHERE stored > 0 AND tenant_id = 1)',
  'UPDATE outcome_minute SET dead = dead + 2 WHERE tenant_id = 2 AND dead > 0',
  'UPDATE outcome_total_by_partition SET duplicate = duplicate + 4 WHERE partition = 0',
]

/** Numbers against a plain recount of events, which shares nothing with the verification. */
const WRONG_ROWS = `
  SELECT FROM (SELECT tenant_id, series_id, bucket, count, value_count, round(sum::numeric, 6) AS sum, min, max FROM rollup_15m WHERE count <> 0) r
  FULL JOIN (SELECT e.tenant_id, s.series_id, date_bin('15 minutes', e.occurred_at, 'epoch') AS bucket, count(*) AS count, count(e.value) AS value_count,
                    round(coalesce(sum(e.value), 0)::numeric, 6) AS sum, min(e.value) AS min, max(e.value) AS max
               FROM event e JOIN series s ON s.tenant_id = e.tenant_id AND s.metric = e.name GROUP BY 1, 2, 3) c USING (tenant_id, series_id, bucket)
   WHERE (r.count, r.value_count, r.sum, r.min, r.max) IS DISTINCT FROM (c.count, c.value_count, c.sum, c.min, c.max)`

test('a repair replaces whatever can be counted from events, marks it, records it, and leaves nothing that differs', async () => {
  const before = await sql(`SELECT * FROM rollup_15m ${ofNth(0)}`)
  for (const corrupt of PLANTED) await sql(corrupt)
  const found = await verify(options())
  expect(new Set(found.differences.map(({ kind }) => kind))).toEqual(
    new Set([
      ...['rollup', 'metric', 'rollup-long', 'sketch', 'outcome', 'dead-letter', 'outcome-total'],
      'unaccounted',
    ]),
  )
  const report = await repairAll()
  expect(report).toMatchObject({ clean: true, differences: [], unrepaired: [] })
  expect(await verify(options())).toMatchObject({ clean: true, differences: [] })
  expect(await sql(WRONG_ROWS)).toEqual([])
  const { revised_at: _, ...numbers } = before[0]
  const [after] = await sql(`SELECT * FROM rollup_15m ${ofNth(0)}`)
  expect(after).toMatchObject(numbers)
  expect(after.revised_at).toBeInstanceOf(Date)
  const hour = await sql(
    `SELECT FROM rollup_long l JOIN rollup_15m r USING (tenant_id, series_id) WHERE l.minutes = 60 AND l.metric_id = 0
        AND r.bucket = l.bucket AND r.bucket = '${before[0].bucket.toISOString()}' AND l.revised_at IS NULL AND r.revised_at IS NOT NULL`,
  )
  expect(hour).toEqual([])

  const entries = await sql(
    "SELECT tenant_id, actor_kind, object, before, after FROM audit_log WHERE action = 'numbers.repaired' ORDER BY tenant_id, sequence",
  )
  const day = before[0].bucket.toISOString().slice(0, 10)
  const rollup = entries.find(({ object }) => object === `rollup ${day}`)
  expect(rollup).toMatchObject({ tenant_id: 1, actor_kind: 'cli' })
  const bucket = before[0].bucket.toISOString().slice(0, 19)
  const rowOf = (side: { rows: { bucket: string; row: string }[] }) =>
    side.rows.find((row) => row.bucket.startsWith(bucket))?.row
  expect(rowOf(rollup?.before)).toMatch(new RegExp(`^${Number(before[0].count) + 1} `))
  expect(rowOf(rollup?.after)).toMatch(new RegExp(`^${before[0].count} `))
  const kinds = entries.map(({ object }) => object.split(' ')[0])
  expect(new Set(kinds)).toEqual(new Set(report.repaired.map(({ kind }) => kind)))
  const db = createDatabase(seed.database.url, { max: 1 })
  expect(await verifyAudit(db, 1)).toMatchObject({ ok: true })
  await db.destroy()
})

test('a repair beside ingest that writes into the same buckets leaves exactly what a recount counts', async () => {
  const stops = [seed.startWorker(), seed.startCounter()]
  let isOver = false
  const writing = (async () => {
    for (let i = 0; !isOver; i++) {
      await sleep(60)
      await seed.append(
        Array.from({ length: 40 }, (_, n) =>
          rawRecord({
            ...(n % 3 === 0 && { tenant: 'other' }),
            ...{ event_id: `busy-${i}-${n}`, name: `name_${n % 3}`, value: n, actor: `a-${n % 7}` },
          }),
        ),
      )
    }
  })()
  const events = async () => (await sql('SELECT count(*)::int AS n FROM event'))[0].n
  const atFirst = await events()
  await expect.poll(events, { timeout: 20_000 }).toBeGreaterThan(atFirst + 200)
  // Also of the bucket that is being written.
  await sql(
    `UPDATE rollup_15m SET count = count + 7, sum = sum - 3, min = 0 WHERE bucket >= (SELECT max(bucket) FROM rollup_15m) OR bucket = (SELECT min(bucket) FROM rollup_15m);
     UPDATE outcome_minute SET stored = stored + 1 WHERE minute = (SELECT max(minute) FROM outcome_minute)`,
  )
  const { repaired } = await repairAll()
  expect(repaired.filter(({ kind }) => kind === 'rollup').length).toBeGreaterThan(1)
  isOver = true
  await writing
  await seed.untilApplied()
  await seed.untilCounted()
  for (const stop of stops) await stop()
  expect(await sql(WRONG_ROWS)).toEqual([])
  expect(await verify(options())).toMatchObject({ differences: [] })
}, 60_000)

test('a repair leaves the numbers of a tenant whose events differ from the log, and reports what to do first', async () => {
  await sql(
    `DELETE FROM event WHERE (tenant_id, event_id) = (SELECT tenant_id, event_id FROM event WHERE tenant_id = 1 ORDER BY log_partition, log_offset LIMIT 1);
     UPDATE rollup_15m SET count = count + 1 WHERE tenant_id = 2 AND bucket = (SELECT min(bucket) FROM rollup_15m WHERE tenant_id = 2)`,
  )
  const rollups = 'SELECT * FROM rollup_15m WHERE tenant_id = 1 ORDER BY series_id, bucket'
  const before = await sql(rollups)
  const { repaired, unrepaired, differences } = await repairAll()
  expect(new Set(repaired.map(({ tenant }) => tenant))).toEqual(new Set([2]))
  expect(await sql(rollups)).toEqual(before)
  expect(new Set(differences.map(({ tenant }) => tenant))).toEqual(new Set([1]))
  const nextOf = (kind: string) => unrepaired.find((each) => each.kind === kind)?.next
  expect(nextOf('record-lost')).toMatch(/"sluice replay" stores it again/)
  expect(nextOf('rollup')).toMatch(/first repair these/)
})

test('a repair touches no bucket of which some events were dropped', async () => {
  const [{ day }] = await sql("SELECT min(received_on) - date '1970-01-01' AS day FROM event")
  const ofDay = `(bucket AT TIME ZONE 'UTC')::date = date '1970-01-01' + ${day}`
  const read = async () => [
    await sql(`SELECT * FROM rollup_15m WHERE ${ofDay} ORDER BY 1, 2, 3`),
    await sql(`SELECT * FROM rollup_long WHERE ${ofDay} ORDER BY 1, 2, 3, 4, 5`),
  ]
  await sql(
    `INSERT INTO event_retention (retention_days, dropped_through) VALUES (30, date '1970-01-01' + ${day})
         ON CONFLICT (only_row) DO UPDATE SET dropped_through = EXCLUDED.dropped_through;
     UPDATE rollup_15m SET count = count + 1 WHERE ${ofDay} AND tenant_id = 2;
     UPDATE rollup_long SET count = count + 5 WHERE ${ofDay} AND tenant_id = 2 AND minutes = 240`,
  )
  const before = await read()
  const { repaired, unrepaired } = await repairAll()
  expect(repaired).toEqual([])
  expect(await read()).toEqual(before)
  expect(unrepaired).toContainEqual(
    expect.objectContaining({
      kind: 'rollup-long',
      tenant: 2,
      next: expect.stringMatching(/were dropped/),
    }),
  )
})
