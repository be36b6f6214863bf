import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { type AuditPosition, recordAudit } from './audit-log.ts'
import { expireAudit } from './expire-audit.ts'
import { rehash } from './testing/rehash.ts'
import { type Verification, verifyAudit } from './verify-audit.ts'

let database: TestDatabase
/** As the owner of the tables, whom nothing keeps from changing them. */
let db: Database
const ENTRIES = 24
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url)
})
afterAll(async () => {
  await db?.destroy()
  await database?.drop()
})

async function fill(tenantId: number, entries: number): Promise<AuditPosition[]> {
  const positions: AuditPosition[] = []
  for (let i = 0; i < entries; i++)
    positions.push(
      await db.transaction().execute((tx) =>
        recordAudit(
          tx,
          i % 2
            ? {
                kind: 'person',
                personId: i,
                name: `Ada ${i}`,
                address: '192.0.2.7',
                requestId: `r${i}`,
              }
            : { kind: 'cli' },
          {
            tenantId,
            action: 'key.changed',
            object: `key ${i}`,
            before: { eventsPerMinute: 100 + i, origins: ['https://a.example'] },
            after: { eventsPerMinute: 200 + i, share: 0.5, origins: [] },
          },
        ),
      ),
    )
  return positions
}

/** What is found after a change that is rolled back. */
async function verifyAfter(
  tamper: (tx: Database) => Promise<unknown>,
  head?: AuditPosition,
): Promise<Verification> {
  let found: Verification | undefined
  await db
    .transaction()
    .execute(async (tx) => {
      await tamper(tx)
      found = await verifyAudit(tx, 1, { head })
      throw new Error('rolled back')
    })
    .catch((error) => {
      if (error.message !== 'rolled back') throw error
    })
  return found as Verification
}

const VALUES: Record<string, string> = {
  tenant_id: 'tenant_id + 5000',
  sequence: `sequence + ${10 * ENTRIES}`,
  at: "at + interval '1 microsecond'",
  actor_kind: "CASE actor_kind WHEN 'cli' THEN 'system' ELSE 'operator' END",
  actor: "actor || 'x'",
  actor_name: "coalesce(actor_name || 'x', '')",
  action: "'key.revoked'",
  object: "object || ' '",
  before: "jsonb_set(before, '{eventsPerMinute}', '1')",
  after: "jsonb_set(after, '{share}', '0.50000000000000000001')",
  address: "coalesce(address || '1', '')",
  request_id: "coalesce(request_id || '1', '')",
  previous_hash: 'sha256(previous_hash)',
  hash: 'sha256(hash)',
}
const COLUMNS = [
  'tenant_id',
  'at',
  'actor_kind',
  'actor',
  'actor_name',
  'action',
  'object',
  'before',
  'after',
  'address',
  'request_id',
  'previous_hash',
  'hash',
].join(', ')

type Tampering =
  | { kind: 'change'; column: string; at: number }
  | { kind: 'delete' | 'insert' | 'truncate' | 'truncate with head'; at: number }
  | { kind: 'swap'; at: number; other: number }
  | { kind: 'head' | 'all'; at: number }

const at = fc.integer({ min: 1, max: ENTRIES })
const tampering: fc.Arbitrary<Tampering> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      column: fc.constantFrom(...Object.keys(VALUES)),
      at,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), at }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('insert' as const), at }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('truncate' as const), at }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('truncate with head' as const), at }) },
  {
    weight: 2,
    arbitrary: fc
      .record({ kind: fc.constant('swap' as const), at, other: at })
      .filter((each) => each.at !== each.other),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('head' as const, 'all' as const), at }),
  },
)

function apply(tx: Database, { kind, ...tampering }: Tampering): Promise<unknown> {
  const place = `tenant_id = 1 AND sequence = ${tampering.at}`
  const run = (text: string) => sql.raw(text).execute(tx)
  switch (kind) {
    case 'change': {
      const { column } = tampering as { column: string }
      return run(`UPDATE audit_log SET ${column} = ${VALUES[column]} WHERE ${place}`)
    }
    case 'delete':
      return run(`DELETE FROM audit_log WHERE ${place}`)
    case 'insert':
      return run(`INSERT INTO audit_log (sequence, ${COLUMNS})
        SELECT CASE WHEN sequence % 2 = 0 THEN ${ENTRIES + 1} ELSE 0 END, ${COLUMNS} FROM audit_log WHERE ${place}`)
    case 'truncate':
      return run(`DELETE FROM audit_log WHERE tenant_id = 1 AND sequence >= ${tampering.at}`)
    case 'truncate with head':
      return run(`WITH gone AS (DELETE FROM audit_log WHERE tenant_id = 1 AND sequence >= ${tampering.at})
        UPDATE audit_head h SET (sequence, hash) = (SELECT l.sequence, l.hash FROM audit_log l
          WHERE l.tenant_id = 1 AND l.sequence = greatest(1, ${tampering.at - 1})) WHERE tenant_id = 1`)
    case 'swap': {
      const { other } = tampering as { other: number }
      const columns = COLUMNS.replace('tenant_id, ', '')
      return run(`UPDATE audit_log l SET (${columns}) = (SELECT ${columns} FROM audit_log o WHERE o.tenant_id = 1
          AND o.sequence = CASE l.sequence WHEN ${tampering.at} THEN ${other} ELSE ${tampering.at} END)
        WHERE tenant_id = 1 AND sequence IN (${tampering.at}, ${other})`)
    }
    case 'head':
      return run(`DELETE FROM audit_head WHERE tenant_id = 1`)
    case 'all':
      return run(
        `WITH head AS (DELETE FROM audit_head WHERE tenant_id = 1) DELETE FROM audit_log WHERE tenant_id = 1`,
      )
  }
}

test('100 of 100 random changes, insertions, deletions, swaps and truncations are found', async () => {
  const head = (await fill(1, ENTRIES)).at(-1)
  expect(await verifyAudit(db, 1, { head })).toEqual({ ok: true, entries: ENTRIES, first: 1, head })
  const missed: Tampering[] = []
  await fc.assert(
    fc.asyncProperty(tampering, async (tampering) => {
      // Without a head kept elsewhere nothing shows that the end, or all of it, is missing.
      const needsHead = tampering.kind === 'truncate with head' || tampering.kind === 'all'
      const found = await verifyAfter((tx) => apply(tx, tampering), needsHead ? head : undefined)
      if (found.ok) missed.push(tampering)
    }),
    {
      numRuns: 100,
      examples: Object.keys(VALUES).map((column): [Tampering] => [
        { kind: 'change', column, at: 3 },
      ]),
    },
  )
  expect(missed).toEqual([])
  expect(await verifyAudit(db, 1, { head })).toMatchObject({ ok: true })
})

test('a verification names the first entry that is not as it was written', async () => {
  const set = (sequence: number, change: string) => (tx: Database) =>
    sql
      .raw(`UPDATE audit_log SET ${change} WHERE tenant_id = 1 AND sequence = ${sequence}`)
      .execute(tx)
  const remove = (where: string) => (tx: Database) =>
    sql.raw(`DELETE FROM audit_log WHERE tenant_id = 1 AND ${where}`).execute(tx)
  const broken = async (tamper: (tx: Database) => Promise<unknown>, head?: AuditPosition) => {
    const found = await verifyAfter(tamper, head)
    return found.ok ? 'ok' : `${found.sequence}: ${found.reason}`
  }
  expect(await broken(set(7, "object = 'other'"))).toBe('7: it was changed')
  expect(await broken(set(7, "after = jsonb_set(after, '{share}', '0.50')"))).toBe(
    '7: a number in it was changed',
  )
  expect(await broken(remove('sequence = 7'))).toBe('8: entries before it are missing')
  expect(await broken(remove('sequence = 1'))).toMatch(
    /^1: entries before the first one are missing/,
  )
  expect(await broken(remove('sequence > 20'))).toBe('21: it is missing, and all that follow')
  const other = { sequence: 20, hash: 'f'.repeat(64) }
  expect(await broken(async () => {}, other)).toBe(
    '20: it is not the entry that was kept elsewhere',
  )
  expect(await broken(async () => {}, { ...other, sequence: ENTRIES + 1 })).toBe(
    `${ENTRIES + 1}: the entry that was kept elsewhere is missing`,
  )
})

test('entries that expired leave a chain that verifies and names which ones are gone', async () => {
  const kept = await fill(2, 12)
  // A chain as old as its times: its hashes cover the times.
  await rehash(db, 2, (sequence) => (sequence <= 8 ? 401 : sequence <= 10 ? 399 : 0))
  expect(await expireAudit(db, 400)).toBe(8)
  expect(await verifyAudit(db, 2)).toMatchObject({ ok: true, entries: 5, first: 9 })
  const { rows } = await database.pool.query(
    'SELECT sequence::int, action, actor_kind, after FROM audit_log WHERE tenant_id = 2 ORDER BY sequence DESC LIMIT 1',
  )
  expect(rows[0]).toMatchObject({
    sequence: 13,
    action: 'audit.expired',
    actor_kind: 'system',
    after: { entries: 8, throughSequence: 8 },
  })
  expect(await expireAudit(db, 400)).toBe(0)
  const old = kept[2] as AuditPosition
  expect(await verifyAudit(db, 2, { head: old })).toEqual({
    ok: false,
    sequence: 3,
    reason: 'the entry that was kept elsewhere has expired since',
  })
  // Somebody deletes more than what expired.
  await database.pool.query('DELETE FROM audit_log WHERE tenant_id = 2 AND sequence = 9')
  expect(await verifyAudit(db, 2)).toMatchObject({ ok: false, sequence: 1 })
})

test('entries that were written again after others expired do not follow those that expired', async () => {
  await fill(4, 12)
  const daysAgo = (sequence: number) => (sequence <= 8 ? 401 : sequence <= 10 ? 399 : 0)
  await rehash(db, 4, daysAgo)
  expect(await expireAudit(db, 400)).toBe(8)
  expect(await verifyAudit(db, 4)).toMatchObject({ ok: true, first: 9 })
  await rehash(db, 4, daysAgo)
  expect(await verifyAudit(db, 4)).toMatchObject({ ok: false, sequence: 1 })
})

test('nothing expires before 30 days, and the newest entry never', async () => {
  await fill(3, 3)
  await rehash(db, 3, () => 500)
  await expect(expireAudit(db, 29)).rejects.toThrow('at least 30 days')
  await expireAudit(db, 30)
  expect(await verifyAudit(db, 3)).toMatchObject({ ok: true, entries: 2, first: 3 })
})

test.each([
  [0, undefined],
  [1, 'entry 4 is marked as sent to the webhook and does not exist'],
])('a delivery %i beyond the newest entry is warned of', async (beyond, warning) => {
  const tenantId = 7_000 + beyond
  await fill(tenantId, 3)
  await database.pool.query('INSERT INTO audit_delivery (tenant_id, sequence) VALUES ($1, $2)', [
    tenantId,
    3 + beyond,
  ])
  const found = await verifyAudit(db, tenantId)
  expect(found).toMatchObject({ ok: true, entries: 3 })
  expect((found as { warning?: string }).warning).toBe(warning)
})
