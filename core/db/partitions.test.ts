import pg from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { createPartitions, DAY_MS, DAYS, findExisting, MONTHS, readToday } from './partitions.ts'

test.each([
  ['1970-01-01T00:00:00Z', 0],
  ['1970-01-31T23:59:59.999Z', 0],
  ['1970-02-01T00:00:00Z', 1],
  ['1969-12-31T23:59:59.999Z', -1],
  ['2026-12-31T23:59:59.999Z', 683],
  ['2027-01-01T00:00:00Z', 684],
])('months are those of UTC: %s is in the month %i since 1970', (time, month) => {
  expect(MONTHS.numberOf(Date.parse(time))).toBe(month)
  expect(MONTHS.startOf(month) <= time).toBe(true)
  expect(MONTHS.startOf(month + 1) > time.slice(0, 10)).toBe(true)
})

test('a partition is named by its first day or its month', () => {
  expect([DAYS.suffixOf(20_787), DAYS.startOf(20_787)]).toEqual(['20261130', '2026-11-30'])
  expect([MONTHS.suffixOf(682), MONTHS.startOf(682)]).toEqual(['202611', '2026-11-01'])
})

test.each(['America/Los_Angeles', 'Pacific/Kiritimati'])(
  'months and days are those of UTC on a machine in %s',
  (zone) => {
    onTestFinished(() => void vi.unstubAllEnvs())
    vi.stubEnv('TZ', zone)
    expect(new Date('2026-12-01T00:00:00Z').getTimezoneOffset()).not.toBe(0)
    for (const [first, last] of [
      ['2026-12-01T00:00:00Z', '2026-12-31T23:59:59.999Z'],
      ['1970-01-01T00:00:00Z', '1970-01-31T23:59:59.999Z'],
    ] as const) {
      const month = MONTHS.numberOf(Date.parse(first))
      expect(MONTHS.numberOf(Date.parse(last))).toBe(month)
      expect(MONTHS.startOf(month)).toBe(first.slice(0, 10))
      expect(MONTHS.suffixOf(month)).toBe(first.slice(0, 7).replace('-', ''))
      expect(DAYS.startOf(DAYS.numberOf(Date.parse(first)))).toBe(first.slice(0, 10))
      expect(DAYS.startOf(DAYS.numberOf(Date.parse(last)))).toBe(last.slice(0, 10))
    }
  },
)

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

test('rollups and outcomes have partitions from now on, and one for all that is earlier', async () => {
  const { pool } = database
  const today = await readToday(pool)
  const outcomes = await findExisting(pool, 'outcome_minute', DAYS)
  expect(outcomes.first).toBe(today)
  expect([...outcomes.numbers].sort()).toEqual([0, 1, 2, 3].map((ahead) => today + ahead))
  const month = MONTHS.numberOf(today * DAY_MS)
  const rollups = await findExisting(pool, 'rollup_15m', MONTHS)
  expect(rollups.first).toBe(month)
  expect([...rollups.numbers].sort()).toEqual([month, month + 1])
})

test('months are created on demand, once, and earlier ones never get a table of their own', async () => {
  const { pool } = database
  const deps = { pool, table: 'rollup_15m', unit: MONTHS }
  const month = MONTHS.numberOf(Date.now())
  const all = [1, 2, 3].map(() => createPartitions(deps))
  await Promise.all(all.map((each) => each.ensure([month - 700, month - 1, month, month + 5])))
  const { numbers } = await findExisting(pool, 'rollup_15m', MONTHS)
  expect([...numbers].sort()).toEqual([month, month + 1, month + 5])
  for (const at of ['0001-01-01', MONTHS.startOf(month - 1), MONTHS.startOf(month + 5)])
    await pool.query(
      `INSERT INTO rollup_15m (tenant_id, series_id, bucket, count, value_count, sum, late_count) VALUES (1, 1, $1, 1, 0, 0, 0)`,
      [`${at} 00:00+00`],
    )
  const { rows } = await pool.query(
    'SELECT tableoid::regclass::text AS table FROM rollup_15m ORDER BY bucket',
  )
  const earlier = `rollup_15m_${MONTHS.startOf(month).replaceAll('-', '')}_earlier`
  expect(rows.map(({ table }) => table)).toEqual([
    earlier,
    earlier,
    `rollup_15m_${MONTHS.suffixOf(month + 5)}`,
  ])
})

test('a partition has the bounds of UTC whatever the time zone of the session that creates it', async () => {
  const tokyo = new pg.Pool({ connectionString: database.url, options: '-c timezone=Asia/Tokyo' })
  onTestFinished(() => tokyo.end())
  const today = await readToday(database.pool)
  const days = createPartitions({ pool: tokyo, table: 'outcome_minute', unit: DAYS })
  await days.ensure([today + 10])
  const months = createPartitions({ pool: tokyo, table: 'rollup_15m', unit: MONTHS })
  const month = MONTHS.numberOf(today * DAY_MS) + 20
  await months.ensure([month])
  const { rows } = await database.pool.query(
    `SELECT (regexp_matches(pg_get_expr(relpartbound, oid), '''([^'']+)''', 'g'))[1]::timestamptz AS at
       FROM pg_class WHERE relname IN ($1, $2) ORDER BY 1`,
    [`outcome_minute_${DAYS.suffixOf(today + 10)}`, `rollup_15m_${MONTHS.suffixOf(month)}`],
  )
  expect(rows.map(({ at }) => at.toISOString())).toEqual(
    [
      ...[DAYS.startOf(today + 10), DAYS.startOf(today + 11)],
      ...[MONTHS.startOf(month), MONTHS.startOf(month + 1)],
    ].map((day) => `${day}T00:00:00.000Z`),
  )
})

test('a day that a query holds for good, or that fails otherwise, is reported and keeps no other one from being dropped', async () => {
  const { pool } = database
  const today = await readToday(pool)
  const days = createPartitions({ pool, table: 'event', unit: DAYS })
  const all = [20, 19, 18, 17].map((ago) => today - ago)
  const [held, second, failing, last] = all as [number, number, number, number]
  await days.ensure(all)
  const reader = new pg.Client(database.url)
  await reader.connect()
  onTestFinished(() => reader.end())
  await reader.query(`BEGIN; SELECT FROM event_${DAYS.suffixOf(held)}`)
  const dropping = days.drop((day) => {
    if (day === failing) throw new Error('not this one')
    return all.includes(day)
  })
  const error = await dropping.then(
    () => undefined,
    (error) => error as AggregateError,
  )
  expect(error?.errors.map(String)).toEqual([
    expect.stringContaining('lock timeout'),
    'Error: not this one',
  ])
  const { numbers } = await findExisting(pool, 'event', DAYS)
  expect(all.filter((day) => numbers.has(day))).toEqual([held, failing])
  // What was dropped is created again when an event of it comes.
  await days.ensure([second, last])
  expect((await findExisting(pool, 'event', DAYS)).numbers).toContain(second)
})
