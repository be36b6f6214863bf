import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../tests/lib/database.ts'
import { createDatabase, type Database } from '../db/database.ts'
import { hashSecret } from './hash-secret.ts'
import { loginUrl, mintLoginLink, redeemLoginLink } from './login-links.ts'
import { findOrCreatePerson } from './people/people.ts'
import {
  beginSession,
  endProviderSessions,
  endSession,
  endSessionById,
  endSessionsOf,
  isSessionValid,
  listSessions,
  looksLikeToken,
  readSession,
  recordSessionUse,
  requireRecentSignIn,
} from './sessions.ts'

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

describe('a session of a person', () => {
  let people = 0
  const person = (issuer = 'https://a.example') =>
    findOrCreatePerson(db, { issuer, subject: `subject-${people++}`, name: 'Ada' })
  const begin = (personId: number, more: object = {}) =>
    beginSession(db, { personId, method: 'oidc', device: 'Firefox', address: '192.0.2.1', ...more })
  const set = (token: string, column: string, ago: string) =>
    database.pool.query(
      `UPDATE session SET ${column} = now() - $2::interval WHERE token_sha256 = $1`,
      [hashSecret(token), ago],
    )

  test.each([
    ['11 hours 59 minutes', true],
    ['12 hours', false],
  ])('that was used %s ago is valid: %s', async (ago, valid) => {
    const { personId } = await person()
    const [token, link] = [await begin(personId), await newSession()]
    await set(token, 'last_used_at', ago)
    await set(link, 'last_used_at', ago)
    expect([await isSessionValid(db, token), await isSessionValid(db, link)]).toEqual([valid, true])
    expect(await listSessions(db, personId)).toHaveLength(valid ? 1 : 0)
  })

  test('knows who it belongs to, and all roles of this moment', async () => {
    const { personId } = await person()
    const token = await begin(personId)
    expect((await readSession(db, token))?.memberships.size).toBe(0)
    const { rows } = await database.pool.query(
      "INSERT INTO tenant (slug) VALUES ('sessions') RETURNING tenant_id",
    )
    const tenantId = rows[0].tenant_id
    await database.pool.query('INSERT INTO membership VALUES ($1, $2, $3)', [
      ...[tenantId, personId, 'EDITOR'],
    ])
    const session = await readSession(db, token)
    expect(session).toMatchObject({ method: 'oidc', person: { personId, isOperator: false } })
    expect([...(session?.memberships ?? [])]).toEqual([['sessions', { tenantId, role: 'EDITOR' }]])
  })

  test('records its use once a minute, and the next one is due after that', async () => {
    const token = await begin((await person()).personId)
    const due = async () => (await readSession(db, token))?.isUseDue
    expect(await due()).toBe(false)
    await set(token, 'last_used_at', '61 seconds')
    expect(await due()).toBe(true)
    await recordSessionUse(db, (await readSession(db, token))?.sessionId as string)
    expect(await due()).toBe(false)
  })

  test('is listed for its owner alone, and ended by nobody else', async () => {
    const [mine, theirs] = [(await person()).personId, (await person()).personId]
    await begin(mine)
    const other = await begin(theirs)
    const [listed] = await listSessions(db, mine)
    expect(listed).toMatchObject({ device: 'Firefox', address: '192.0.2.1', personName: 'Ada' })
    const [session] = await listSessions(db, theirs)
    const sessionId = session?.sessionId as string
    for (const owner of [mine, null]) expect(await endSessionById(db, owner, sessionId)).toBe(false)
    expect(await isSessionValid(db, other)).toBe(true)
    expect(await endSessionById(db, theirs, sessionId)).toBe(true)
    expect(await isSessionValid(db, other)).toBe(false)
  })

  test('ends with all others of its owner, but for the one that is named', async () => {
    const [mine, theirs] = [(await person()).personId, (await person()).personId]
    const [first, second] = [await begin(mine), await begin(mine)]
    const untouched = [await begin(theirs), await newSession()]
    const current = (await readSession(db, first))?.sessionId
    expect(await endSessionsOf(db, mine, current)).toBe(1)
    expect([await isSessionValid(db, first), await isSessionValid(db, second)]).toEqual([
      true,
      false,
    ])
    expect(await endSessionsOf(db, mine)).toBe(1)
    for (const token of untouched) expect(await isSessionValid(db, token)).toBe(true)
    expect(await endSessionsOf(db, null)).toBe(1)
  })

  test('is the oldest of twenty-one that ends, whatever others have', async () => {
    const [mine, theirs] = [(await person()).personId, (await person()).personId]
    const other = await begin(theirs)
    const oldest = await begin(mine)
    await set(oldest, 'created_at', '1 hour')
    for (let i = 0; i < 19; i++) await begin(mine)
    expect(await isSessionValid(db, oldest)).toBe(true)
    await begin(mine)
    expect(await isSessionValid(db, oldest)).toBe(false)
    expect(await isSessionValid(db, other)).toBe(true)
  })

  test('ends when its provider asks for it: by subject, by session, or by both', async () => {
    const someone = await findOrCreatePerson(db, { issuer: 'https://a.example', subject: 'ends' })
    const elsewhere = await findOrCreatePerson(db, { issuer: 'https://b.example', subject: 'ends' })
    const { personId } = someone
    const [one, two] = [
      await begin(personId, { providerSession: 'sid-1' }),
      await begin(personId, { providerSession: 'sid-2' }),
    ]
    const other = await begin(elsewhere.personId, { providerSession: 'sid-1' })
    const issuer = 'https://a.example'
    const begunBeforeS = Date.now() / 1_000 + 60
    const before = begunBeforeS - 3_600
    expect(await endProviderSessions(db, { issuer, sid: 'sid-1', begunBeforeS: before })).toBe(0)
    expect(await endProviderSessions(db, { issuer, begunBeforeS })).toBe(0)
    expect(
      await endProviderSessions(db, { issuer, subject: 'ends', sid: 'sid-3', begunBeforeS }),
    ).toBe(0)
    expect(await endProviderSessions(db, { issuer, sid: 'sid-1', begunBeforeS })).toBe(1)
    expect([await isSessionValid(db, one), await isSessionValid(db, two)]).toEqual([false, true])
    expect(await endProviderSessions(db, { issuer, subject: 'ends', begunBeforeS })).toBe(1)
    expect(await isSessionValid(db, other)).toBe(true)
  })
})

test.each([
  [900, undefined],
  [901, 'SIGN_IN_AGAIN'],
])('a sign-in %i seconds ago is recent: %s', (seconds, code) => {
  const check = () => requireRecentSignIn({ authenticatedSecondsAgo: seconds })
  if (code) expect(check).toThrow(expect.objectContaining({ code }))
  else expect(check).not.toThrow()
  expect(() => requireRecentSignIn(undefined)).toThrow()
})
