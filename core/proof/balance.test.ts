import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TOPICS } from '../../contract/log/topics.ts'
import { rawRecord, rawValue } from '../../tests/lib/records.ts'
import { replay } from '../worker/replay/replay.ts'
import { openProofSystem, type ProofSystem, sumOf } from './testing/proof-system.ts'

const DAY_MS = 86_400_000
const NOTHING = {
  accepted: 0,
  stored: 0,
  duplicates: 0,
  conflicting: 0,
  dead: 0,
  inFlight: 0,
  unaccounted: 0,
}

let system: ProofSystem
beforeEach(async () => {
  system = await openProofSystem()
})
afterEach(() => system.close())

const sql = (text: string) => system.database.pool.query(text)

/** Stored, duplicates, conflicting duplicates and dead letters, with and without a tenant. */
function mixture(): ReturnType<typeof rawRecord>[] {
  const now = Date.now()
  return [
    ...Array.from({ length: 200 }, (_, i) =>
      rawRecord({ event_id: `e-${i}`, actor: `a-${i % 20}` }),
    ),
    ...Array.from({ length: 10 }, (_, i) => rawRecord({ event_id: `e-${i}`, actor: `a-${i}` })),
    rawRecord({ event_id: 'e-11', actor: 'a-11', name: 'another' }),
    rawRecord({ tenant: 'other', properties: { tenant: 'default', received_at: 'never' } }),
    // Dead: too old, of a tenant that does not exist, not a record, invalid, of an unbelievable time.
    rawRecord({ occurred_at: '2020-01-01T00:00:00Z' }),
    rawRecord({ tenant: 'nobody', actor: 'n' }),
    rawValue('not JSON'),
    rawValue(Buffer.from([0xff, 0xfe])),
    rawValue(rawRecord().value.toString().replace('"name":"page_view"', '"name":""')),
    rawRecord({ received_at: new Date(now - 40 * DAY_MS).toISOString() }),
    rawRecord({ received_at: new Date(now + 2 * DAY_MS).toISOString() }),
  ]
}
const COUNTED = { accepted: 219, stored: 201, duplicates: 10, conflicting: 1, dead: 7 }

describe('the balance of counts and outcomes', () => {
  test('is 0 in every minute, whatever became of the records, and whether the worker or the count comes first', async () => {
    const stopCounter = system.startCounter()
    await system.append(mixture())
    system.startWorker()
    await system.untilApplied()
    await system.untilCounted()
    await expect.poll(async () => (await sql('SELECT FROM log_count_batch')).rowCount).toBe(0)
    const balance = await system.balance()
    expect(sumOf(balance)).toEqual({ ...NOTHING, ...COUNTED })
    expect(balance.minutes.filter(({ unaccounted }) => unaccounted !== 0)).toEqual([])
    await stopCounter()
    // Now the worker comes first.
    await system.append([rawRecord({ tenant: 'other' }), rawRecord({ tenant: 'nobody' })])
    await system.untilApplied()
    const behind = await system.balance()
    expect([behind.uncounted, sumOf(behind).unaccounted]).toEqual([2, 0])
    system.startCounter()
    await system.untilCounted()
    expect(sumOf(await system.balance())).toMatchObject({ accepted: 221, unaccounted: 0 })
    expect(await system.found()).toEqual([])
  })

  test('has what no worker has applied in flight, by its position', async () => {
    // The worker binds the log and goes.
    const stopWorker = system.startWorker()
    await system.append([rawRecord({ actor: 'a' })])
    await system.untilApplied()
    await stopWorker()
    system.startCounter()
    await system.append(Array.from({ length: 30 }, () => rawRecord({ actor: 'a' })))
    await system.untilCounted()
    expect(sumOf(await system.balance())).toMatchObject({
      accepted: 31,
      stored: 1,
      inFlight: 30,
      unaccounted: 0,
    })
    // Skipped without a trace: 7 of them are in flight no more, and nobody stored them.
    await sql(
      'UPDATE log_position SET next_offset = next_offset + 7, written_at = now() WHERE next_offset > 0',
    )
    expect(sumOf(await system.balance())).toMatchObject({ inFlight: 23, unaccounted: 7 })
    await expect.poll(system.found).toEqual([{ tenant_id: 1, unaccounted: 7 }])
    system.startWorker()
    await system.untilApplied()
    expect(sumOf(await system.balance())).toMatchObject({
      accepted: 31,
      stored: 24,
      inFlight: 0,
      unaccounted: 7,
    })
  })

  test('counts other partitions while the worker of one does not go on', async () => {
    // The worker binds the log and goes.
    const stopWorker = system.startWorker()
    await system.append([rawRecord({ actor: 'a' })])
    await system.untilApplied()
    await stopWorker()
    system.startCounter({ aheadMax: 10 })
    await system.append(Array.from({ length: 11 }, () => rawRecord({ actor: 'a' })))
    await system.untilCounted()
    await system.append(['a', 'b'].map((actor) => rawRecord({ actor })))
    // Of the 12 of the paused partition 11 are in flight, and the one of another.
    await expect.poll(async () => sumOf(await system.balance()).inFlight).toBe(12)
  })

  test.each<[string, string, number]>([
    ['an outcome too few', 'UPDATE outcome_minute SET stored = stored - 1 WHERE tenant_id = 1', 1],
    [
      'an outcome too many',
      'UPDATE outcome_minute SET duplicate = duplicate + 1 WHERE tenant_id = 1',
      -1,
    ],
    ['a minute of outcomes that is gone', 'DELETE FROM outcome_minute WHERE tenant_id = 1', 5],
    [
      'records that were read twice',
      'UPDATE log_position SET next_offset = 0, written_at = clock_timestamp() WHERE next_offset > 0',
      -5,
    ],
  ])('finds %s', async (_, corrupt, expected) => {
    system.startWorker()
    system.startCounter()
    const received_at = new Date().toISOString()
    await system.append(Array.from({ length: 5 }, () => rawRecord({ actor: 'a', received_at })))
    await system.untilApplied()
    await system.untilCounted()
    expect(sumOf(await system.balance())).toMatchObject({ accepted: 5, stored: 5, unaccounted: 0 })
    await sql(corrupt)
    // A worker goes on where it is, and finds its position elsewhere: by a record of the same partition.
    await system.append([rawValue(rawRecord({ actor: 'a', tenant: 'other' }).value, 'default:a')])
    await expect.poll(system.found).toEqual([{ tenant_id: 1, unaccounted: expected }])
    await system.untilApplied()
    await system.untilCounted()
    expect(sumOf(await system.balance({ tenantId: 1, onlyOpen: true })).unaccounted).toBe(expected)
  })

  test('stays 0 when dead letters of no tenant, and of a time of their own, are replayed', async () => {
    system.startWorker()
    system.startCounter()
    const early = new Date(Date.now() - 5 * 60_000).toISOString()
    await system.append([
      ...Array.from({ length: 5 }, () => rawRecord({ tenant: 'later', received_at: early })),
      rawRecord({
        received_at: early,
        occurred_at: new Date(Date.now() - 60 * DAY_MS).toISOString(),
      }),
    ])
    await system.untilApplied()
    await system.untilCounted()
    await expect.poll(async () => (await sql('SELECT FROM log_count_moved')).rowCount).toBe(5)
    expect(sumOf(await system.balance({ tenantId: 0 }))).toMatchObject({
      accepted: 5,
      dead: 5,
      unaccounted: 0,
    })
    await sql("INSERT INTO tenant (slug) VALUES ('later'); UPDATE tenant SET event_age_max_s = 1e8")
    const ranges = (await system.log.offsets(TOPICS.raw.name)).map(
      ({ partition, lastStableOffset: to }) => ({
        ...{ partition, from: 0, to },
      }),
    )
    const { databaseUrl } = { databaseUrl: system.database.url }
    await replay({ databaseUrl, log: system.log, ranges, signal: AbortSignal.timeout(20_000) })
    const after = await system.balance()
    expect(sumOf(after)).toEqual({ ...NOTHING, accepted: 6, stored: 6 })
    expect(after.minutes.filter(({ unaccounted }) => unaccounted !== 0)).toEqual([])
    expect(sumOf(await system.balance({ tenantId: 3 }))).toMatchObject({ accepted: 5, stored: 5 })
  })
})
