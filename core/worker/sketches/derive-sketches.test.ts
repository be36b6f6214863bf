import { afterAll, beforeAll, expect, test } from 'vitest'
import { createQueryFixture, type QueryFixture } from '../../api/graphql/testing/fixture.ts'
import { createSketchDerivation } from './derive-sketches.ts'

let fixture: QueryFixture
beforeAll(async () => {
  fixture = await createQueryFixture()
})
afterAll(() => fixture.close())

test('smoke', async () => {
  await fixture.store(
    'default',
    Array.from({ length: 500 }, (_, i) => ({
      name: `name_${i % 3}`,
      actor: `actor-${i % 50}`,
      value: i,
      occurredAt: new Date(Date.parse('2026-11-28T00:00:00Z') + i * 300_000).toISOString(),
      receivedAt: new Date(Date.parse('2026-11-28T00:00:00Z') + i * 300_000).toISOString(),
    })),
  )
  const derivation = createSketchDerivation({ pool: fixture.database.pool })
  console.log(await derivation.run(), await derivation.run())
  const { rows } = await fixture.database.pool.query(
    'SELECT minutes, series_id, count(*), sum(count), max(length(actors)) a, max(length(quantiles)) q FROM sketch GROUP BY 1,2 ORDER BY 1,2',
  )
  console.table(rows)
  console.table((await fixture.database.pool.query('SELECT * FROM sketch_progress')).rows)
})
