import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rawRecord } from '../../../tests/lib/records.ts'
import { dayTable } from '../../db/day-partitions.ts'
import type { Log } from '../../log/log.ts'
import { readBalance } from '../balance.ts'
import { type ProofSystem, sumOf } from '../testing/proof-system.ts'
import { halve } from './ranges.ts'
import { createSeedCopy, seedProofSystem, withCorruption } from './testing/seed.ts'
import { verify } from './verify.ts'

const DAY_MS = 86_400_000

let seed: ProofSystem
beforeAll(async () => {
  seed = await seedProofSystem()
}, 120_000)
afterAll(() => seed?.close())

const sql = (text: string) => seed.database.pool.query(text)
const run = (options = {}) => verify({ databaseUrl: seed.database.url, log: seed.log, ...options })
const CLEAN = { clean: true, differences: [], moreDifferences: 0, notChecked: [] }
const count = async (table: string) =>
  (await sql(`SELECT count(*)::int AS n FROM ${table}`)).rows[0].n

describe('a verification', () => {
  test('of a clean database finds nothing, and compares every event', async () => {
    const report = await run()
    expect(report).toMatchObject(CLEAN)
    const events = await count('event')
    expect(report.checked).toMatchObject({ rollups: events, outcomes: events })
    expect(report.checked.log).toBeGreaterThan(events)
    expect(report.checked.sketches).toBeGreaterThan(50)
    expect(report.checked.metrics).toBeGreaterThan(50)
  })

  test('of one tenant, and of a range, compares that and nothing else', async () => {
    await sql('UPDATE rollup_15m SET count = count + 1 WHERE tenant_id = 2')
    expect(await run({ tenantId: 1 })).toMatchObject(CLEAN)
    const { differences } = await run({ tenantId: 2 })
    expect(new Set(differences.map(({ kind, tenant }) => `${kind} ${tenant}`))).toEqual(
      new Set(['rollup 2', 'rollup-long 2', 'sketch 2']),
    )
    const first = Date.parse(differences[0]?.bucket as string)
    const ofBucket = await run({ fromMs: first, toMs: first + 900_000 })
    expect(ofBucket.differences.map(({ kind, bucket }) => [kind, bucket])).toContainEqual([
      'rollup',
      new Date(first).toISOString(),
    ])
    expect(await run({ toMs: first, fromMs: first - 900_000 * 100 })).toMatchObject(CLEAN)
    await sql('UPDATE rollup_15m SET count = count - 1 WHERE tenant_id = 2')
  })

  test('finds nothing while a worker writes beside it', async () => {
    const stops = [seed.startWorker(), seed.startCounter()]
    let isOver = false
    const writing = (async () => {
      for (let i = 0; !isOver; i++) {
        await sleep(30)
        await seed.append(
          Array.from({ length: 200 }, (_, n) =>
            rawRecord({
              ...(n % 50 === 7 && { occurred_at: '2020-01-01T00:00:00Z' }),
              ...(n % 3 === 0 && { tenant: 'other' }),
              event_id: `busy-${i}-${n % 190}`,
              actor: `actor-${(n % 190) % 40}`,
              name: `name_${n % 3}`,
              value: n,
            }),
          ),
        )
      }
    })()
    for (let i = 0; i < 2; i++) expect((await run()).differences).toEqual([])
    isOver = true
    await writing
    await seed.untilApplied()
    await seed.untilCounted()
    for (const stop of stops) await stop()
    expect(await run()).toMatchObject({ differences: [] })
    expect(await count('event')).toBeGreaterThan(1_000)
  })

  test('before the log was ever counted reports that it cannot compare the balance, and finds nothing', async () => {
    const uncounted = `DELETE FROM log_count_position; DELETE FROM log_count_minute; DELETE FROM log_count_batch`
    await withCorruption(seed, uncounted, async ({ pool, log, url }) => {
      expect(await verify({ databaseUrl: url, pool, log, concurrency: 1 })).toMatchObject({
        ...{ clean: false, differences: [], moreDifferences: 0 },
        notChecked: ['the balance, because nothing has counted the log yet'],
      })
      const balance = await readBalance((text, values) => pool.query(text, values), {
        ...{ fromMs: Date.now() - 5 * DAY_MS, toMs: Date.now() + DAY_MS, rowsMax: 10_000 },
      })
      const applied = await pool.query(
        "SELECT sum(next_offset)::int AS n FROM log_position WHERE topic = 'events.raw'",
      )
      expect(balance).toMatchObject({ hasBegun: false, uncounted: applied.rows[0].n })
      expect(sumOf(balance)).toMatchObject({ accepted: 0, unaccounted: 0 })
      expect(sumOf(balance).stored).toBeGreaterThan(0)
    })
  })

  test('that was stopped goes on with the parts that are not done', async () => {
    const stop = new AbortController()
    const first: string[] = []
    const stopped = run({
      log: undefined,
      concurrency: 1,
      signal: stop.signal,
      onProgress(_: number, __: number, part: string) {
        if (first.push(part) === 5) stop.abort()
      },
    })
    await expect(stopped).rejects.toThrow()
    expect(await count('verification_part')).toBe(5)
    // What was compared is not compared again.
    await sql(
      `UPDATE verification_part SET result = jsonb_set(result, '{checked}', '1000000') WHERE part = '${first[1]}'`,
    )
    const report = await run({ log: undefined, resume: true })
    expect(Object.values(report.checked).some((checked) => checked >= 1_000_000)).toBe(true)
    expect(await count('verification_part')).toBe(0)
    const { rows } = await sql(
      'SELECT finished_at, differences::int FROM verification ORDER BY verification_id DESC LIMIT 1',
    )
    expect(rows[0]).toEqual({ finished_at: expect.any(Date), differences: 0 })
  })

  test('finds nothing where a day of events, and the beginning of the log, are dropped beside it', async () => {
    await seed.disconnect()
    const { pool, log, url, close } = await createSeedCopy(seed.name)
    try {
      const day = Math.floor(Date.now() / DAY_MS) - 2
      let drop = async () => {
        drop = async () => {}
        await pool.query(`
          INSERT INTO event_retention (retention_days, dropped_through) VALUES (30, date '1970-01-01' + ${day})
              ON CONFLICT (only_row) DO UPDATE SET dropped_through = EXCLUDED.dropped_through;
          DROP TABLE ${dayTable('event', day)};
          DELETE FROM log_chunk WHERE topic = 'events.raw' AND base_offset = 0`)
      }
      const batches: Log['batches'] = async function* (topic, options) {
        await drop()
        yield* log.batches(topic, options)
      }
      const args = { databaseUrl: url, concurrency: 1, log: { ...log, batches } }
      expect(await verify(args)).toMatchObject({ differences: [], moreDifferences: 0 })
      // In the copy nothing was dropped before.
      expect(
        (
          await pool.query('SELECT FROM rollup_15m WHERE bucket < $1', [
            new Date((day + 1) * DAY_MS),
          ])
        ).rowCount,
      ).toBeGreaterThan(0)
    } finally {
      await close()
    }
  })
})

test('a range is halved at whole buckets, and one without a beginning from its end', () => {
  const quarter = 900_000
  expect(halve({ fromMs: 0, toMs: 3 * quarter })).toEqual([
    { fromMs: 0, toMs: quarter },
    { fromMs: quarter, toMs: 3 * quarter },
  ])
  expect(halve({ fromMs: quarter, toMs: 2 * quarter })).toBeUndefined()
  const days = (count: number) => count * 86_400_000
  expect(halve({ fromMs: Number.NEGATIVE_INFINITY, toMs: days(100) })?.[1]).toEqual({
    fromMs: days(70),
    toMs: days(100),
  })
  expect(halve({ fromMs: Number.NEGATIVE_INFINITY, toMs: days(20) })).toBeUndefined()
  expect(halve({ fromMs: days(5), toMs: Number.POSITIVE_INFINITY })?.[0]).toEqual({
    fromMs: days(5),
    toMs: days(35),
  })
})
