import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { hashSecret } from './hash-secret.ts'
import { loginUrl, mintLoginLink, redeemLoginLink } from './login-links.ts'
import { endSession, isSessionValid, looksLikeToken } from './sessions.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { max: 1 })
})
afterAll(async () => {
  await db.destroy()
  await database.drop()
})
beforeEach(
  async () => void (await database.pool.query('DELETE FROM login_link; DELETE FROM session')),
)

/** As if so much of the token's time were over. */
const age = (table: 'login_link' | 'session', token: string, interval: string) =>
  database.pool.query(
    `UPDATE ${table} SET expires_at = expires_at - $2::interval WHERE token_sha256 = $1`,
    [hashSecret(token), interval],
  )
const newSession = async () => (await redeemLoginLink(db, await mintLoginLink(db))) as string

test.each([
  ['9 minutes 55 seconds', true],
  ['10 minutes', false],
  ['11 minutes', false],
])('a sign-in link that is %s old begins a session: %s', async (old, works) => {
  const link = await mintLoginLink(db)
  await age('login_link', link, old)
  const session = await redeemLoginLink(db, link)
  expect(session !== undefined).toBe(works)
  const { rows } = await database.pool.query('SELECT count(*)::int AS sessions FROM session')
  expect(rows).toEqual([{ sessions: works ? 1 : 0 }])
})

test('a sign-in link works once, and one that was never made does not', async () => {
  const link = await mintLoginLink(db)
  expect(await redeemLoginLink(db, link)).toMatch(/^[\w-]{43}$/)
  expect(await redeemLoginLink(db, link)).toBeUndefined()
  expect(await redeemLoginLink(db, 'x'.repeat(43))).toBeUndefined()
  expect(loginUrl('https://sluice.example//', link)).toBe(
    `https://sluice.example/login#token=${link}`,
  )
  expect([link, `${link}a`, link.slice(1), ''].map(looksLikeToken)).toEqual([
    true,
    false,
    false,
    false,
  ])
})

test.each([
  ['29 days 23:59:00', true],
  ['30 days', false],
])('a session that is %s old is valid: %s', async (old, valid) => {
  const session = await newSession()
  await age('session', session, old)
  expect(await isSessionValid(db, session)).toBe(valid)
})

test('a session that was ended is not valid, and another one is', async () => {
  const [ended, other] = [await newSession(), await newSession()]
  await endSession(db, ended)
  expect([await isSessionValid(db, ended), await isSessionValid(db, other)]).toEqual([false, true])
})

test('beyond a hundred sessions the oldest ends, and beyond a hundred links the oldest is void', async () => {
  const [first, second] = [await newSession(), await newSession()]
  await database.pool.query(
    `UPDATE session SET created_at = created_at - interval '1 hour' WHERE token_sha256 = $1`,
    [hashSecret(first)],
  )
  await database.pool.query(
    `INSERT INTO session (token_sha256, expires_at)
     SELECT sha256(n::text::bytea), now() + interval '1 day' FROM generate_series(1, 98) n`,
  )
  const newest = await newSession()
  const valid = [first, second, newest].map((session) => isSessionValid(db, session))
  expect(await Promise.all(valid)).toEqual([false, true, true])

  const old = await mintLoginLink(db)
  await age('login_link', old, '1 minute')
  await database.pool.query(
    `INSERT INTO login_link (token_sha256, expires_at)
     SELECT sha256(n::text::bytea), now() + interval '10 minutes' FROM generate_series(1, 99) n`,
  )
  const link = await mintLoginLink(db)
  expect(await redeemLoginLink(db, old)).toBeUndefined()
  expect(await redeemLoginLink(db, link)).toBeDefined()
})
