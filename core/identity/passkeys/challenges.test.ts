import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../../../tests/lib/database.ts'
import { createDatabase, type Database } from '../../db/database.ts'
import { PENDING_LIMITS } from '../sign-in/bounded-table.ts'
import { type ChallengePurpose, saveChallenge, takeChallenge } from './challenges.ts'
import { recordPasskeyUse } from './passkeys.ts'

let database: TestDatabase
let db: Database
beforeAll(async () => {
  database = await createTestDatabase()
  db = createDatabase(database.url, { role: 'sluice_write' })
  await database.pool.query(
    `INSERT INTO person (issuer, subject, name) SELECT 'urn:sluice:passkey', i, i FROM generate_series(1, 2) i`,
  )
})
afterAll(async () => {
  await db?.destroy()
  await database?.drop()
})

let count = 0
async function save(purpose: ChallengePurpose, address = '203.0.113.1'): Promise<string> {
  const challenge = `challenge-${++count}`
  await saveChallenge(db, { challenge, browserCookie: 'mine', address, purpose })
  return challenge
}

const SIGN_IN = { kind: 'sign-in' } as const
const ACCEPT = { kind: 'accept', invitation: 'token-a', userHandle: 'handle' } as const
const ADD = { kind: 'add', personId: 1 } as const

test.each<[string, ChallengePurpose, ChallengePurpose, boolean]>([
  ['sign-in', SIGN_IN, SIGN_IN, true],
  ['an invitation', ACCEPT, ACCEPT, true],
  ['a further passkey', ADD, ADD, true],
  ['sign-in, used for an invitation', SIGN_IN, ACCEPT, false],
  ['an invitation, used for sign-in', ACCEPT, SIGN_IN, false],
  ['an invitation, used for another one', ACCEPT, { ...ACCEPT, invitation: 'token-b' }, false],
  ['a further passkey, used for sign-in', ADD, SIGN_IN, false],
  ['a further passkey, used for another person', ADD, { ...ADD, personId: 2 }, false],
])('a challenge for %s', async (_, saved, purpose, isValid) => {
  const challenge = await save(saved)
  const taken = await takeChallenge(db, { challenge, browserCookie: 'mine', purpose })
  expect(taken !== undefined).toBe(isValid)
  if (isValid && saved.kind === 'accept') expect(taken).toEqual({ userHandle: 'handle' })
  // Right or wrong, it was used.
  expect(
    await takeChallenge(db, { challenge, browserCookie: 'mine', purpose: saved }),
  ).toBeUndefined()
})

test('a challenge is for the browser that asked, and for ten minutes', async () => {
  const take = (challenge: string, browserCookie = 'mine') =>
    takeChallenge(db, { challenge, browserCookie, purpose: SIGN_IN })
  expect(await take(await save(SIGN_IN), 'theirs')).toBeUndefined()
  const age = (interval: string) =>
    database.pool.query('UPDATE passkey_challenge SET expires_at = expires_at - $1::interval', [
      interval,
    ])
  const inTime = await save(SIGN_IN)
  await age('9 minutes 57 seconds')
  expect(await take(inTime)).toBeDefined()
  const late = await save(SIGN_IN)
  await age('10 minutes')
  expect(await take(late)).toBeUndefined()
})

test('challenges are bounded for an address, and those that are over are deleted', async () => {
  await database.pool.query(`UPDATE passkey_challenge SET expires_at = now()`)
  for (let i = 0; i < PENDING_LIMITS.perAddressMax + 2; i++) await save(SIGN_IN, '2001:db8:0:7::1')
  await save(SIGN_IN, '203.0.113.2')
  const { rows } = await database.pool.query(
    'SELECT address_group, count(*)::int FROM passkey_challenge GROUP BY 1 ORDER BY 1',
  )
  expect(rows).toEqual([
    { address_group: '2001:db8:0:7', count: PENDING_LIMITS.perAddressMax },
    { address_group: '203.0.113.2', count: 1 },
  ])
})

test('of two uses of a passkey with the same counter one counts, unless its authenticator counts nothing', async () => {
  const idOf = (n: number) => Buffer.from([n])
  for (const [n, counter] of [
    [1, 5],
    [2, 0],
  ] as const)
    await database.pool.query(
      `INSERT INTO passkey (credential_id, person_id, public_key, counter, transports, name)
       SELECT $1, min(person_id), '', $2, '{}', 'Phone' FROM person`,
      [idOf(n), counter],
    )
  const uses: boolean[] = []
  for (const counter of [5, 6, 6, 4, 7]) uses.push(await recordPasskeyUse(db, idOf(1), counter))
  expect(uses).toEqual([false, true, false, false, true])
  expect(await recordPasskeyUse(db, idOf(2), 0)).toBe(true)
  expect(await recordPasskeyUse(db, idOf(2), 0)).toBe(true)
})
