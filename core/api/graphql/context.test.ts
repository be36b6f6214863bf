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
