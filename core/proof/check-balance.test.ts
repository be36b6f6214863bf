import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { createDayPartitions, dayTable } from '../db/day-partitions.ts'
import { createBalanceCheck } from './check-balance.ts'

const DAY_MS = 86_400_000
const quiet = { info() {}, warn() {}, error() {} }
const OLD_DAYS = 10
/** Of a record that was received long before the log took it: counts of it come at any time. */
const LATE = "date_trunc('minute', now() - interval '30 minutes')"

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
  const today = Math.floor(Date.now() / DAY_MS)
  for (const table of ['log_count_minute', 'outcome_minute'])
    await createDayPartitions({ pool: database.pool, table }).ensure([
      today - OLD_DAYS,
      today - 1,
      today,
    ])
})
afterAll(() => database?.drop())
beforeEach(() =>
  sql(
    'TRUNCATE unaccounted_minute, log_count_minute, outcome_minute, log_count_position, balance_check',
  ),
)

const sql = (text: string) => database.pool.query(text)

/** One partition, all of whose records are of one minute. */
async function setState({
  counted,
  applied,
  stored = applied,
}: {
  counted: number
  applied: number
  stored?: number
}) {
  await sql(`
    UPDATE log_position SET next_offset = CASE partition WHEN 0 THEN ${applied} ELSE 0 END, written_at = clock_timestamp() WHERE topic = 'events.raw';
    DELETE FROM log_count_position;
    INSERT INTO log_count_position (partition, next_offset, log_identity, counted_at)
    SELECT partition, CASE partition WHEN 0 THEN ${counted} ELSE 0 END, 'a-log', now() FROM log_position WHERE topic = 'events.raw';
    DELETE FROM log_count_minute; DELETE FROM outcome_minute;
    INSERT INTO log_count_minute VALUES (1, ${LATE}, 0, ${counted}, 0, ${counted} - 1);
    INSERT INTO outcome_minute (tenant_id, minute, stored) VALUES (1, ${LATE}, ${stored})`)
}

async function found(): Promise<number[]> {
  const { rows } = await sql('SELECT unaccounted::int AS n FROM unaccounted_minute')
  return rows.map(({ n }) => n)
}

describe('outcomes without a record, while the count is behind the workers', () => {
  const check = () => createBalanceCheck(database.pool, quiet, async () => {})

  test('are no difference, however often they are seen, as long as they may be of uncounted records', async () => {
    const one = check()
    for (const [counted, applied] of [
      [10, 20],
      [30, 40],
      [50, 60],
      [60, 60],
    ] as const) {
      await setState({ counted, applied })
      await one.run()
      expect(await found()).toEqual([])
    }
  })

  test('are one at once where there are more of them than uncounted records', async () => {
    await setState({ counted: 10, applied: 20, stored: 20 })
    await check().run()
    expect(await found()).toEqual([])
    await setState({ counted: 10, applied: 20, stored: 21 })
    await check().run()
    expect(await found()).toEqual([-11])
  })

  test('are one once everything is counted, and stay one until everything is counted again', async () => {
    const one = check()
    await setState({ counted: 20, applied: 20, stored: 21 })
    await one.run()
    expect(await found()).toEqual([-1])
    await setState({ counted: 20, applied: 25, stored: 26 })
    await one.run()
    expect(await found()).toHaveLength(1)
    await setState({ counted: 25, applied: 30, stored: 29 })
    await one.run()
    expect(await found()).toHaveLength(1)
    await setState({ counted: 30, applied: 30, stored: 30 })
    await one.run()
    expect(await found()).toEqual([])
  })
})

describe('a comparison that takes too long', () => {
  let pool: pg.Pool
  const warnings: unknown[] = []
  beforeAll(() => {
    pool = new pg.Pool({ connectionString: database.url, statement_timeout: 300, max: 2 })
  })
  afterAll(() => pool?.end())
  const checked = async () =>
    (
      await sql(
        'SELECT checked_at IS NOT NULL AS checked, swept_at IS NOT NULL AS swept FROM balance_check',
      )
    ).rows

  async function whileLocked(table: string, work: () => Promise<void>): Promise<void> {
    const client = await database.pool.connect()
    await client.query(`BEGIN; LOCK TABLE ${table}`)
    await work()
    await client.query('ROLLBACK')
    client.release()
  }

  test('of the newest minutes ends nothing, and is not recorded as one', async () => {
    await setState({ counted: 10, applied: 10, stored: 11 })
    const logger = { ...quiet, warn: (fields: unknown) => void warnings.push(fields) }
    const check = createBalanceCheck(pool, logger, async () => {})
    await whileLocked(dayTable('outcome_minute', Math.floor(Date.now() / DAY_MS)), () =>
      check.run(),
    )
    expect(await checked()).toEqual([])
    expect(warnings.length).toBeGreaterThan(0)
    await check.run()
    expect(await checked()).toMatchObject([{ checked: true }])
    expect(await found()).toEqual([-1])
    // A sweep that left an hour out is none: the next one counts.
    for (let runs = 0; (await checked())[0]?.swept !== true; runs++) {
      expect(runs).toBeLessThan(6)
      await check.run()
    }
  })
})
