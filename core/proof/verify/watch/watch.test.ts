import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rawRecord } from '../../../../tests/lib/records.ts'
import { CHANNELS } from '../../../db/channels.ts'
import { openProofSystem, type ProofSystem } from '../../testing/proof-system.ts'
import { verifyAndRepair } from '../repair/verify-and-repair.ts'
import { verify } from '../verify.ts'
import { createVerificationWatch } from './watch.ts'

const quiet = { info() {}, warn() {}, error() {} } as never
const POLL = { timeout: 30_000, interval: 50 }

let system: ProofSystem
let stops: (() => Promise<void>)[] = []
beforeAll(async () => {
  system = await openProofSystem()
  stops = [system.startWorker(), system.startCounter()]
  const at = (i: number) => new Date(Date.now() - (i % 10) * 3_600_000).toISOString()
  await system.append(
    Array.from({ length: 300 }, (_, i) =>
      rawRecord({ ...eventOf(i), occurred_at: at(i), received_at: at(i) }),
    ),
  )
  await system.untilApplied()
  await system.untilCounted()
}, 60_000)
afterAll(async () => {
  for (const stop of stops) await stop()
  await system?.close()
})

const eventOf = (i: number) => ({ event_id: `e-${i}`, name: `name_${i % 3}`, value: i })
const sql = async (text: string) => (await system.database.pool.query(text)).rows
const state = async () => (await sql('SELECT * FROM verification_state'))[0]
const options = () => ({ databaseUrl: system.database.url, log: system.log })
const recorded = () => sql('SELECT tenant_id, kind, metric FROM rollup_difference ORDER BY 1, 2, 3')

function startWatch(deps: { hour: number | undefined; isSampling: boolean }) {
  const ended = new AbortController()
  const watch = createVerificationWatch({
    ...options(),
    logger: quiet,
    sampleMs: 50,
    pauseMultiple: 1,
    ...deps,
  })
  const running = watch.run(ended.signal)
  return async () => {
    ended.abort()
    await running
  }
}

test('at its hour everything is recounted once, and what is right up to then is recorded', async () => {
  const [{ hour }] = await sql(
    "SELECT extract(hour FROM clock_timestamp() AT TIME ZONE 'UTC')::int AS hour",
  )
  const stop = startWatch({ hour, isSampling: false })
  await expect.poll(state, POLL).toMatchObject({ is_clean: true, differences: '0' })
  await stop()
  const { finished_at, through, sampled_at } = await state()
  expect(through.getTime() % 60_000).toBe(0)
  expect(finished_at - through).toBeLessThan(300_000)
  expect(sampled_at).toBeNull()
})

test('a recount that finds a difference is right up to its bucket, and lets cached results go', async () => {
  const listener = new pg.Client({ connectionString: system.database.url })
  await listener.connect()
  const payloads: unknown[] = []
  listener.on('notification', ({ payload }) => payloads.push(payload))
  await listener.query(`LISTEN ${CHANNELS.changedBuckets}`)
  const wrong =
    '(SELECT bucket FROM rollup_15m WHERE tenant_id = 1 ORDER BY bucket OFFSET 4 LIMIT 1)'
  const [{ bucket }] = await sql(
    `UPDATE rollup_15m SET count = count + 1 WHERE tenant_id = 1 AND bucket = ${wrong} RETURNING bucket`,
  )
  await verify(options())
  expect(await state()).toMatchObject({ is_clean: false, through: bucket })
  await expect.poll(() => payloads, POLL).toContain('')
  await listener.end()
  // Not of everything.
  await verify({ ...options(), tenantId: 2 })
  await verify({ databaseUrl: system.database.url })
  expect(await state()).toMatchObject({ is_clean: false, through: bucket })
  await verifyAndRepair(options(), { kind: 'cli' })
  const repaired = await state()
  expect(repaired.is_clean).toBe(true)
  expect(repaired.through.getTime()).toBeGreaterThan(bucket.getTime())
})

test('rollups that differ are found, in new and in old buckets, and go once they are right; ingest makes none', async () => {
  const stop = startWatch({ hour: undefined, isSampling: true })
  const others = startWatch({ hour: undefined, isSampling: true })
  const sampled = async () => (await state()).sampled_at
  for (let round = 0; round < 3; round++) {
    const before = await sampled()
    await system.append(
      Array.from({ length: 200 }, (_, i) => rawRecord(eventOf(1_000 + round * 200 + i))),
    )
    await expect.poll(sampled, POLL).not.toEqual(before)
    expect(await recorded()).toEqual([])
  }
  await sql(
    `UPDATE rollup_15m r SET count = r.count + 1 FROM series s
      WHERE s.series_id = r.series_id AND (s.metric = 'name_0' AND r.bucket = (SELECT min(bucket) FROM rollup_15m)
         OR s.metric = 'name_1' AND r.bucket = (SELECT max(bucket) FROM rollup_15m))`,
  )
  await expect
    .poll(recorded, POLL)
    .toEqual(['name_0', 'name_1'].map((metric) => ({ tenant_id: 1, kind: 'rollup', metric })))
  await verifyAndRepair(options(), { kind: 'cli' })
  await expect.poll(recorded, POLL).toEqual([])
  await expect.poll(async () => (await state()).swept_at, POLL).not.toBeNull()
  await stop()
  await others()
  // What nothing compares again is not kept.
  await sql(
    "INSERT INTO rollup_difference VALUES (1, 'rollup', 'name_0', now(), '1', '2', now(), now())",
  )
  const without = startWatch({ hour: undefined, isSampling: false })
  await expect.poll(recorded, POLL).toEqual([])
  await without()
})
