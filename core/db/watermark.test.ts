import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { TOPICS } from '../../contract/log/topics.ts'
import { createQueryFixture } from '../api/graphql/testing/fixture.ts'
import { setTenant } from '../identity/tenants.ts'
import { publishFinality } from '../worker/write/finality.ts'
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

test('what is final stays final while the lateness is changed, and a lower one holds once every batch has seen it', async () => {
  const fixture = await createQueryFixture(['default'])
  const { pool } = fixture.database
  const at = async () => {
    const { rows } = await sql<{ at: string }>`SELECT ${watermark(1)} AS at`.execute(fixture.db)
    return new Date(rows[0]?.at ?? 0).toISOString().slice(11, 16)
  }
  const proposed = async () =>
    (await pool.query('SELECT pending_xid::text AS xid FROM finality')).rows[0].xid
  /** Publishes what is proposed, as soon as older transactions of other databases have ended, and proposes the next. */
  const publish = async () => {
    const before = await proposed()
    await expect
      .poll(async () => {
        await publishFinality((text, values) => pool.query(text, values), TOPICS.raw.name)
        return proposed()
      })
      .not.toBe(before)
  }
  await fixture.store('default', [{ receivedAt: '2026-11-20T11:00:00Z' }])
  await publish()
  await pool.query(
    `UPDATE watermark SET published_highest_at = highest_at, highest_at = '2026-11-20T12:30:00Z',
            moved_xid = pg_current_xact_id()`,
  )
  await publish()
  const steps = [await at()]
  // An hour until now. What is proposed by now was read before each change.
  for (const allowedLatenessS of [7_200, 0]) {
    await setTenant(fixture.db, 'default', { allowedLatenessS })
    steps.push(await at())
    await publish()
    steps.push(await at())
    await publish()
    steps.push(await at())
  }
  expect(steps).toEqual(['10:00', '10:00', '10:30', '10:30', '10:30', '10:30', '12:30'])
  await fixture.close()
})
