import { afterAll, beforeAll, expect, test } from 'vitest'
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
