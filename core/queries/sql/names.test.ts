import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { createQueryFixture, type QueryFixture } from '../../api/graphql/testing/fixture.ts'
import { OTHER_METRIC } from '../../db/series-names.ts'
import type { EventRow } from '../../worker/decode/decoded.ts'
import { createSeriesDirectory } from '../../worker/write/series.ts'

let fixture: QueryFixture
beforeAll(async () => {
  fixture = await createQueryFixture()
})
afterAll(() => fixture.close())

const named = (name: string) => ({ tenantId: 1, event: { name } }) as EventRow

test('a name that a client sends is never the one that names beyond the limit share', async () => {
  const { pool } = fixture.database
  const series = createSeriesDirectory((sql, values) => pool.query(sql, values))
  const many = Array.from({ length: LIMITS.eventNamesPerTenantMax - 1 }, (_, i) => `name_${i}`)
  await series.learn(['$other', ...many, 'late', 'later'].map(named))
  expect(series.id(1, 'late')).toBe(series.id(1, 'later'))
  expect(series.id(1, 'late')).not.toBe(series.id(1, '$other'))
})

test('names that shared a series keep their counts, and no other name is changed', async () => {
  const { pool } = fixture.database
  await pool.query(`DELETE FROM series`)
  await pool.query(
    `INSERT INTO series (tenant_id, metric) SELECT 1, 'name_' || i FROM generate_series(1, $1::int) i
     UNION ALL VALUES (1, '$other'), (2, '$other'), (2, '$pageview')`,
    [LIMITS.eventNamesPerTenantMax],
  )
  const file = new URL('../../../migrations/000006_names_of_their_own.sql', import.meta.url)
  await pool.query(readFileSync(file, 'utf8'))
  const { rows } = await pool.query(
    `SELECT tenant_id, metric FROM series WHERE metric NOT LIKE 'name_%' ORDER BY 1, 2`,
  )
  expect(rows).toEqual([
    { tenant_id: 1, metric: OTHER_METRIC },
    { tenant_id: 2, metric: '$other' },
    { tenant_id: 2, metric: '$pageview' },
  ])
})
