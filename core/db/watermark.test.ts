import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { createQueryFixture } from '../api/graphql/testing/fixture.ts'
import { watermark } from './watermark.ts'

test('a tenant without events has no watermark, however far the log was applied', async () => {
  const fixture = await createQueryFixture()
  const { rows: tenants } = await fixture.database.pool.query(
    "SELECT tenant_id AS id FROM tenant WHERE slug = 'default'",
  )
  const at = async () => {
    const { rows } = await sql<{ at: Date | null }>`
      SELECT ${watermark(tenants[0].id)} AS at`.execute(fixture.db)
    return rows[0]?.at && new Date(rows[0].at).toISOString()
  }
  await fixture.database.pool.query(
    "UPDATE finality SET published_applied_through = '2026-11-20T12:00:00Z'",
  )
  expect(await at()).toBeNull()
  await fixture.store('default', [{ receivedAt: '2026-11-20T11:00:00Z' }])
  expect(await at()).toBe('2026-11-20T10:00:00.000Z')
  await fixture.store('default', [{ receivedAt: '2026-11-20T13:00:00Z' }])
  expect(await at()).toBe('2026-11-20T11:00:00.000Z')
  await fixture.close()
})
