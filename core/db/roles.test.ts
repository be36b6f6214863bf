import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { createDatabase, type Database, withTenant } from './database.ts'
import { findDatabaseRoles, roleOption } from './roles.ts'

let database: TestDatabase
let db: Database
const tenants: Record<string, number> = {}

beforeAll(async () => {
  database = await createTestDatabase()
  const { pool } = database
  for (const slug of ['acme', 'shop']) {
    const { rows } = await pool.query(
      'INSERT INTO tenant (slug) VALUES ($1) RETURNING tenant_id AS id',
      [slug],
    )
    tenants[slug] = rows[0].id
    await pool.query(
      `INSERT INTO api_key (tenant_id, name, display_prefix, key_sha256, scopes)
       VALUES ($1, 'k', 'slc_sec_', sha256($2::bytea), '{read}')`,
      [rows[0].id, slug],
    )
    await pool.query(
      `INSERT INTO watermark (tenant_id, partition, highest_at) VALUES ($1, 0, now())`,
      [rows[0].id],
    )
  }
  await pool.query(`
    INSERT INTO dead_letter (tenant_id, reason, detail, fingerprint, original, topic, partition, log_offset, received_at)
    VALUES (NULL, 'r', 'd', 'f', '', 'events.raw', 0, 0, now())`)
  db = createDatabase(database.url, { max: 2, role: 'sluice_read' })
})
afterAll(async () => {
  await db?.destroy()
  await database?.drop()
})

const as = (scope: number | 'all') => withTenant(db, async () => scope)
const slugsOf = async (of: Database) =>
  (await of.selectFrom('tenant').select('slug').orderBy('slug').execute()).map(({ slug }) => slug)

async function asRole<T>(role: string, sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: database.url, options: roleOption(role) })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

describe('the role that reads', () => {
  test('sees the rows of its tenant only, even when a query has no WHERE', async () => {
    expect(await slugsOf(as(tenants.acme as number))).toEqual(['acme'])
    expect(await slugsOf(as(tenants.shop as number))).toEqual(['shop'])
    expect(await slugsOf(as(999_999))).toEqual([])
    for (const table of ['watermark', 'api_key'] as const) {
      const rows = await as(tenants.shop as number)
        .selectFrom(table)
        .select('tenant_id')
        .execute()
      expect([table, rows]).toEqual([table, [{ tenant_id: tenants.shop }]])
    }
  })

  test('sees the totals of the whole system, in a table that a later migration created', async () => {
    expect(
      await asRole('sluice_read', 'SELECT sum(stored) FROM outcome_total_by_partition'),
    ).toHaveLength(1)
  })

  test('sees all tenants, and dead letters of none, for the operator', async () => {
    expect(await slugsOf(as('all'))).toEqual(['acme', 'shop'])
    const count = async (of: Database) =>
      (await of.selectFrom('dead_letter').select('reason').execute()).length
    expect([await count(as('all')), await count(as(tenants.acme as number))]).toEqual([1, 0])
  })

  test('sees the right tenant while connections are lent to many in turn', async () => {
    const seen = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const slug = i % 3 === 0 ? 'acme' : 'shop'
        return [slug, (await slugsOf(as(tenants[slug] as number))).join()]
      }),
    )
    for (const [slug, rows] of seen) expect(rows).toBe(slug)
  })

  test('sees no result of a verification, which may be about any tenant', async () => {
    await database.pool.query(`
      WITH run AS (INSERT INTO verification (tenant_id, arguments) VALUES (0, '{}') RETURNING verification_id)
      INSERT INTO verification_part SELECT verification_id, 'p', '{}' FROM run`)
    const sql = 'SELECT part FROM verification_part'
    expect(await asRole('sluice_read', sql)).toEqual([])
    expect(await asRole('sluice_write', sql)).toEqual([{ part: 'p' }])
  })

  test('sees nothing where a connection was told no tenant', async () => {
    expect(await asRole('sluice_read', 'SELECT slug FROM tenant')).toEqual([])
    for (const scope of ['', '1 OR true', '-1', '99999999999'])
      expect(
        await asRole(
          'sluice_read',
          `WITH s AS MATERIALIZED (SELECT set_config('sluice.tenant', '${scope}', false))
           SELECT slug FROM s, LATERAL (SELECT slug FROM tenant) t`,
        ),
      ).toEqual([])
  })

  test.each([
    ["INSERT INTO tenant (slug) VALUES ('x')"],
    ['UPDATE tenant SET events_per_minute = 1'],
    ['DELETE FROM event'],
    ['TRUNCATE event'],
    ['CREATE TABLE x (a int)'],
    ['DROP TABLE event'],
    ['SELECT key_sha256 FROM api_key'],
    ['SELECT * FROM session'],
    ['SELECT * FROM login_link'],
    ['SELECT body FROM log_chunk'],
    ["SELECT log_append('events.raw', '{0}', '{1}', '{x}')"],
  ])('is refused: %s', async (sql) => {
    await expect(asRole('sluice_read', sql)).rejects.toMatchObject({ code: '42501' })
  })

  test('reads every table that holds neither bytes nor days, of tenants or not', async () => {
    const { rows } = await database.pool.query(
      `SELECT relname FROM pg_class c
        WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
          AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND atttypid = 'bytea'::regtype)`,
    )
    expect(rows.length).toBeGreaterThan(10)
    for (const { relname } of rows)
      expect(await asRole('sluice_read', `SELECT 1 FROM ${relname} LIMIT 0`)).toEqual([])
  })

  test('cannot read the table of a day, which has no row-level security of its own', async () => {
    await database.pool.query(
      "CREATE TABLE event_20200101 PARTITION OF event FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')",
    )
    await expect(asRole('sluice_read', 'SELECT * FROM event_20200101')).rejects.toMatchObject({
      code: '42501',
    })
    expect(await asRole('sluice_write', 'SELECT * FROM event_20200101')).toEqual([])
  })
})

test('the role that writes sees all tenants, and cannot change tables or the list of migrations', async () => {
  expect(await asRole('sluice_write', 'SELECT slug FROM tenant ORDER BY slug')).toEqual([
    { slug: 'acme' },
    { slug: 'shop' },
  ])
  for (const sql of ['CREATE TABLE x (a int)', 'DROP TABLE event', 'DELETE FROM migration'])
    await expect(asRole('sluice_write', sql)).rejects.toMatchObject({ code: '42501' })
})

test('where the roles cannot be assumed core goes on as the role of DATABASE_URL, and says so once', async () => {
  const hints: string[] = []
  expect(await findDatabaseRoles(database.url, (hint) => hints.push(hint))).toEqual({
    write: 'sluice_write',
    read: 'sluice_read',
  })
  expect(hints).toEqual([])
  const name = `poor_${Date.now()}`
  await database.pool.query(
    `CREATE ROLE ${name} LOGIN PASSWORD 'pw'; GRANT SELECT ON tenant TO ${name}`,
  )
  const poor = new URL(database.url)
  Object.assign(poor, { username: name, password: 'pw' })
  expect(await findDatabaseRoles(poor.href, (hint) => hints.push(hint))).toEqual({
    write: undefined,
    read: undefined,
  })
  expect(hints).toEqual([expect.stringContaining('CREATEROLE')])
  await database.pool.query(`DROP OWNED BY ${name}; DROP ROLE ${name}`)
})
