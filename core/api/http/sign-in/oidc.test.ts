import { afterAll, beforeAll, expect, test } from 'vitest'
import { type SignInFixture, startSignInFixture, TestBrowser } from './testing/fixture.ts'
import { CLIENT, type RealProvider, startRealProvider } from './testing/real-provider.ts'

/** Sign-in at two providers of the package oidc-provider. */
let fixture: SignInFixture
let work: RealProvider
let other: RealProvider
beforeAll(async () => {
  fixture = await startSignInFixture(async (coreUrl) => {
    const start = (id: string) =>
      startRealProvider(() => ({
        callback: `${coreUrl}/login/oidc/${id}/callback`,
        backChannel: `${coreUrl}/logout/oidc/${id}/back-channel`,
      }))
    ;[work, other] = await Promise.all([start('work'), start('other')])
    const settings = { clientId: CLIENT.id, clientSecret: CLIENT.secret, trustsEmail: false }
    return {
      providers: [
        { id: 'work', name: 'Work', issuer: work.issuer, ...settings },
        { id: 'other', name: 'Other', issuer: other.issuer, ...settings },
      ],
      operators: [{ issuer: work.issuer, email: 'root@example.com' }],
      contact: 'it@example.com',
    }
  })
})
afterAll(async () => {
  await fixture?.close()
  await Promise.all([work?.close(), other?.close()])
})

const url = () => fixture.core.url

/** Signs in, or accepts an invitation. */
async function signIn(account: string, body: object = {}, provider = work, id = 'work') {
  provider.account = account
  const browser = new TestBrowser()
  const callback = await browser.signInAtProvider(url(), id, body)
  const response = await browser.open(callback)
  return { browser, callback, response, text: await response.text() }
}

async function joined(account: string, email = `${account}@example.com`) {
  work.accounts.set(account, { email, email_verified: true, name: `${account} of the tests` })
  const { browser, response, text } = await signIn(account, {
    invitation: await fixture.invite(email),
  })
  expect([response.status, text]).toEqual([303, ''])
  return browser
}

test('somebody with an invitation signs in, and from then on without it', async () => {
  await fixture.audited()
  const browser = await joined('ada')
  expect(await browser.viewer(url())).toBe('PERSON')
  const again = await signIn('ada', { return_to: '/explore?name=order' })
  expect([again.response.status, again.response.headers.get('location')]).toEqual([
    303,
    '/explore?name=order',
  ])
  expect(await again.browser.viewer(url())).toBe('PERSON')
  const begun = (await fixture.audited()).filter(({ action }) => action === 'session.begun')
  expect(begun.map(({ after }) => after)).toMatchObject([
    { method: 'oidc', provider: 'work' },
    { method: 'oidc', provider: 'work' },
  ])
  const [request] = work.requests.slice(-1)
  expect(request?.get('code_challenge_method')).toBe('S256')
  for (const name of ['state', 'nonce', 'code_challenge'])
    expect(Buffer.from(request?.get(name) as string, 'base64url').length).toBe(32)
  // Neither a token nor a code reaches the page or its cookies.
  expect([...again.browser.cookiesOf(url()).keys()]).toEqual(['sluice_session'])
})
