import { afterAll, beforeAll, expect, test } from 'vitest'
import { createQueryFixture, type QueryFixture } from '../../core/api/graphql/testing/fixture.ts'
import { checkNumbers } from './oracle.ts'
import { withLoadTenants } from './tenants.ts'

let fixture: QueryFixture
beforeAll(async () => {
  fixture = await createQueryFixture()
})
afterAll(() => fixture.close())

const exactly = (value: number) => ({ min: value, max: value })
const none = { duplicates: exactly(0), dead: exactly(0) }
const check = (tenant: string, stored: { min: number; max: number }) =>
  checkNumbers({
    db: fixture.db,
    graphqlUrl: undefined,
    tenants: [{ tenant, writeKey: '', readKey: '' }],
    expected: [{ stored, ...none }],
    sinceMs: Date.now(),
    idleMsMax: 100,
  })

test('events count whose edge has a clock that is behind that of the load test, up to an hour', async () => {
  const receivedAt = new Date(Date.now() - 1_800_000).toISOString()
  await fixture.store('default', [{ receivedAt, occurredAt: receivedAt }])
  const { tenants, faults } = await check('default', exactly(1))
  expect(faults).toEqual([])
  expect(tenants).toMatchObject([
    { tenant: 'default', rows: { stored: 1, duplicates: 0, dead: 0 }, rolledUp: 1 },
  ])
})

test('each number that differs is named with what was expected, and rollups are compared with the rows', async () => {
  const receivedAt = new Date().toISOString()
  await fixture.store(
    'other',
    [1, 2].map(() => ({ receivedAt, occurredAt: receivedAt })),
  )
  await fixture.database.pool.query(
    "UPDATE rollup_15m SET count = 3 WHERE tenant_id = (SELECT tenant_id FROM tenant WHERE slug = 'other')",
  )
  expect((await check('other', { min: 3, max: 5 })).faults).toEqual([
    'the worker has not written everything, and made no progress for 0.1 s',
    'other, Postgres: 2 stored instead of 3 to 5',
    'other: 3 events in rollups, but 2 stored',
  ])
  // A name of another tenant does not count.
  expect((await check('default', exactly(1))).faults).toEqual([])
  // Nor is anything stored that was not sent.
  expect((await check('default', exactly(0))).faults).toEqual([
    'default, Postgres: 1 stored instead of 0',
  ])
})

test('the keys of a load test are revoked when it ends, also by an error, and its tenants stay', async () => {
  const run = withLoadTenants(fixture.db, { count: 2, eventsPerMinute: 500 }, async (tenants) => {
    expect(tenants.map(({ tenant }) => tenant)).toEqual([
      expect.stringMatching(/^load-\w+-0$/),
      expect.stringMatching(/^load-\w+-1$/),
    ])
    throw new Error('interrupted')
  })
  await expect(run).rejects.toThrow('interrupted')
  const { rows } = await fixture.database.pool.query(
    `SELECT k.scopes, k.events_per_minute AS key, t.events_per_minute AS tenant, k.revoked_at IS NOT NULL AS revoked,
            k.expires_at < now() + interval '49 hours' AS expires
       FROM api_key k JOIN tenant t USING (tenant_id) WHERE slug LIKE 'load-%' ORDER BY scopes`,
  )
  const key = { key: 500, tenant: 500, revoked: true, expires: true }
  expect(rows).toEqual(
    ['ingest', 'ingest', 'read', 'read'].map((scope) => ({ ...key, scopes: [scope] })),
  )
})
