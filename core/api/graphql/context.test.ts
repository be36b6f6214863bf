import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import type { Viewer } from '../../identity/viewer.ts'
import { type ContextDeps, createContextFactory, type Sender } from './context.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase()
  await database.pool.query("INSERT INTO tenant (slug) VALUES ('acme'), ('shop')")
  db = createDatabase(database.url, { max: 1, role: 'sluice_read' })
})
afterAll(async () => {
  await db?.destroy()
  await database?.drop()
})

test("an operation's connections see the tenant of its key, and all of them for the operator", async () => {
  const createContext = createContextFactory({ db } as ContextDeps)
  const { signal } = new AbortController()
  const { rows } = await database.pool.query(
    'SELECT tenant_id AS "tenantId", slug AS tenant FROM tenant',
  )
  const slugsOf = async (viewer: Viewer) => {
    const context = createContext({ viewer } as Sender, signal)
    const found = await context.db.selectFrom('tenant').select('slug').orderBy('slug').execute()
    return found.map(({ slug }) => slug)
  }
  // One after the other over one connection, as in a pool.
  for (const own of [...rows, ...rows])
    expect(await slugsOf({ kind: 'KEY', own })).toEqual([own.tenant])
  expect(await slugsOf({ kind: 'SESSION' })).toEqual(['acme', 'shop'])
  expect(await slugsOf({ kind: 'KEY', own: rows[0] })).toEqual([rows[0].tenant])
})

test('fields about people leave a connection to others, and take none once their client has left', async () => {
  const peopleDb = createDatabase(database.url, { max: 3 })
  try {
    const createContext = createContextFactory({ db, peopleDb } as ContextDeps)
    const leaving = new AbortController()
    const senderOf = (personId: number) =>
      ({ viewer: { kind: 'PERSON', personId, isOperator: false } }) as unknown as Sender
    const greedy = createContext(senderOf(1), leaving.signal)
    const slow = Array.from({ length: 10 }, () =>
      sql`SELECT pg_sleep(5)`.execute(greedy.peopleDb).catch((error) => error.code),
    )
    const other = createContext(senderOf(2), new AbortController().signal)
    const began = performance.now()
    await sql`SELECT 1`.execute(other.peopleDb)
    leaving.abort()
    expect(await Promise.all(slow)).toEqual(slow.map(() => 'QUERY_CANCELLED'))
    expect(performance.now() - began).toBeLessThan(4_000)
  } finally {
    await peopleDb.destroy()
  }
})
