import { afterAll, beforeAll, expect, test } from 'vitest'
import { findOrCreatePerson, PASSKEY_ISSUER } from '../../../identity/people/people.ts'
import { beginSession, type SessionMethod } from '../../../identity/sessions.ts'
import { type SignInFixture, startSignInFixture, TestBrowser } from './testing/fixture.ts'

let fixture: SignInFixture
const settings = { passkeys: false, providers: [] }
beforeAll(async () => {
  fixture = await startSignInFixture(() => settings)
})
afterAll(() => fixture?.close())

/** @returns the code of the problem, undefined once it is accepted */
async function accept(issuer: string, method: SessionMethod): Promise<string | undefined> {
  const email = `${method}@example.com`
  const { personId } = await findOrCreatePerson(fixture.db, { issuer, subject: 'a', email })
  const token = await beginSession(fixture.db, { personId, method })
  const response = await new TestBrowser().post(
    `${fixture.core.url}/invitation/accept/session`,
    { token: await fixture.invite(email) },
    { cookie: `sluice_session=${token}` },
  )
  return (await response.json()).code
}

test('without passkeys, the address of a person with a former one accepts no invitation, and a verified one does', async () => {
  expect(await accept(PASSKEY_ISSUER, 'passkey')).toBe('INVITATION_FOR_ANOTHER')
  expect(await accept('https://idp.example.com', 'oidc')).toBeUndefined()
})
