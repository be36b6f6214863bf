import { afterAll, beforeAll, expect, test } from 'vitest'
import { applyOperators } from '../../../identity/sign-in/operators.ts'
import { CALLBACKS_PER_MINUTE } from './oidc.ts'
import { type SignInFixture, startSignInFixture, TestBrowser } from './testing/fixture.ts'
import { type RealProvider, startProviderOf } from './testing/real-provider.ts'

/** Sign-in at two providers of the package oidc-provider. */
let fixture: SignInFixture
let work: RealProvider
let other: RealProvider
beforeAll(async () => {
  fixture = await startSignInFixture(
    async (coreUrl) => {
      const [first, second] = await Promise.all([
        startProviderOf(coreUrl, 'work', 'Work'),
        startProviderOf(coreUrl, 'other', 'Other'),
      ])
      work = first.provider
      other = second.provider
      return {
        providers: [first.settings, second.settings],
        operators: [{ issuer: work.issuer, email: 'root@example.com' }],
        contact: '<it@example.com>',
      }
    },
    { keysCooldownMs: 0 },
  )
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

test('a session ends with the next sign-in of its browser, and with a logout', async () => {
  const browser = await joined('rotating')
  const first = browser.cookiesOf(url()).get('sluice_session') as string
  await browser.open(await browser.signInAtProvider(url(), 'work'))
  const second = browser.cookiesOf(url()).get('sluice_session') as string
  expect(second).not.toBe(first)
  expect(await browser.viewer(url())).toBe('PERSON')
  browser.cookiesOf(url()).set('sluice_session', first)
  expect(await browser.viewer(url())).toBe('UNAUTHENTICATED')
  browser.cookiesOf(url()).set('sluice_session', second)
  await fixture.audited()
  await browser.post(`${url()}/logout`, {})
  expect(browser.cookiesOf(url()).size).toBe(0)
  expect(await fixture.audited()).toMatchObject([{ action: 'session.ended' }])
})

test('somebody whom nobody has invited learns whom to ask, and leaves nothing behind', async () => {
  work.accounts.set('stranger', { email: 'stranger@example.com', email_verified: true })
  await fixture.audited()
  const { browser, response, text } = await signIn('stranger')
  expect(response.status).toBe(403)
  expect(text).toContain('ask <strong>&lt;it@example.com&gt;</strong>')
  expect(text).toContain('<strong>stranger@example.com</strong> is not a member')
  expect(await browser.viewer(url())).toBe('UNAUTHENTICATED')
  const known = fixture.db.selectFrom('person').select('subject')
  expect((await known.execute()).map(({ subject }) => subject)).not.toContain('stranger')
  expect(await fixture.audited()).toMatchObject([
    { action: 'sign-in.refused', after: { code: 'NOT_A_MEMBER', subject: 'stranger' } },
  ])
})

test.each([
  ['is of somebody else', { email: 'mallory@example.com', email_verified: true }],
  ['is not verified', { email: 'invited@example.com', email_verified: false }],
  ['is verified by nobody', { email: 'invited@example.com' }],
  ['is missing', { email_verified: true }],
])(
  'an invitation cannot be accepted with an address that %s, and stays open',
  async (_, account) => {
    const invitation = await fixture.invite('invited@example.com')
    work.accounts.set('other-than-invited', account)
    const { response, text } = await signIn('other-than-invited', { invitation })
    expect([response.status, text]).toEqual([
      403,
      expect.stringContaining('another e-mail address'),
    ])
    const people = await fixture.db.selectFrom('person').select('subject').execute()
    expect(people.map(({ subject }) => subject)).not.toContain('other-than-invited')
    work.accounts.set('invited', { email: 'INVITED@Example.com', email_verified: true })
    expect((await signIn('invited', { invitation })).response.status).toBe(303)
    // Once.
    expect((await signIn('invited', { invitation })).response.status).toBe(404)
    await fixture.db.deleteFrom('session').execute()
    await fixture.db.deleteFrom('membership').execute()
  },
)

test('an address that another subject has now opens nothing of its former owner', async () => {
  await joined('former', 'shared@example.com')
  work.accounts.set('successor', { email: 'shared@example.com', email_verified: true })
  expect((await signIn('successor')).response.status).toBe(403)
  // The same subject at another provider is somebody else.
  other.accounts.set('former', { email: 'shared@example.com', email_verified: true })
  expect((await signIn('former', {}, other, 'other')).response.status).toBe(403)
})

test('an operator by setting is bound at the first sign-in, and is one until the setting ends', async () => {
  other.accounts.set('root', { email: 'root@example.com', email_verified: true })
  expect((await signIn('root', {}, other, 'other')).response.status).toBe(403)
  work.accounts.set('root', { email: 'root@example.com', email_verified: false })
  expect((await signIn('root')).response.status).toBe(403)

  work.accounts.set('root', { email: 'Root@example.com', email_verified: true })
  expect((await signIn('root')).response.status).toBe(303)
  const isOperator = async (subject: string) =>
    (
      await fixture.db
        .selectFrom('person')
        .select('is_operator')
        .where('issuer', '=', work.issuer)
        .where('subject', '=', subject)
        .executeTakeFirst()
    )?.is_operator
  expect(await isOperator('root')).toBe(true)
  work.accounts.set('new-root', { email: 'root@example.com', email_verified: true })
  expect((await signIn('new-root')).response.status).toBe(403)
  expect(await isOperator('new-root')).toBeUndefined()
  // The person stays bound with another address.
  work.accounts.set('root', { email: 'ruth@example.com', email_verified: true })
  expect((await signIn('root')).response.status).toBe(303)

  const setting = { issuer: work.issuer, email: 'root@example.com' }
  await applyOperators(fixture.db, [setting, { issuer: other.issuer, email: 'x@example.com' }])
  expect(await isOperator('root')).toBe(true)
  await fixture.audited()
  await applyOperators(fixture.db, [{ issuer: other.issuer, email: 'root@example.com' }])
  expect(await isOperator('root')).toBe(false)
  expect(await fixture.audited()).toMatchObject([
    { action: 'settings.changed', after: { operator: false } },
  ])
  expect((await signIn('root')).response.status).toBe(403)
  // Now the address may be bound to its new owner.
  expect((await signIn('new-root')).response.status).toBe(303)
})

test('a callback works once, in the browser that began it, at its own provider, and within ten minutes', async () => {
  await joined('careful')
  const attempt = async (callback: string, browser: TestBrowser) => {
    const response = await browser.open(callback)
    return [response.status, /took longer than 10 minutes/.test(await response.text())]
  }
  const begin = async () => {
    work.account = 'careful'
    const browser = new TestBrowser()
    return { browser, callback: await browser.signInAtProvider(url(), 'work') }
  }
  const used = await begin()
  const cookies = new Map(used.browser.cookiesOf(url()))
  expect((await used.browser.open(used.callback)).status).toBe(303)
  // Replayed, with the cookie that the first response deleted.
  for (const [name, value] of cookies) used.browser.cookiesOf(url()).set(name, value)
  expect(await attempt(used.callback, used.browser)).toEqual([400, true])

  // Swapped between two browsers: neither signs in as the other.
  const [mine, theirs] = [await begin(), await begin()]
  expect(await attempt(theirs.callback, mine.browser)).toEqual([400, true])
  expect(await attempt(mine.callback, theirs.browser)).toEqual([400, true])
  expect(await attempt((await begin()).callback, new TestBrowser())).toEqual([400, true])

  const elsewhere = await begin()
  const callback = elsewhere.callback.replace('/oidc/work/', '/oidc/other/')
  expect(await attempt(callback, elsewhere.browser)).toEqual([400, true])

  const age = (of: string) =>
    fixture.query.database.pool.query(
      `UPDATE pending_sign_in SET created_at = created_at - $1::interval, expires_at = expires_at - $1::interval`,
      [of],
    )
  const slow = await begin()
  await age('9 minutes 57 seconds')
  expect((await slow.browser.open(slow.callback)).status).toBe(303)
  const late = await begin()
  await age('10 minutes')
  expect(await attempt(late.callback, late.browser)).toEqual([400, true])
})

test.each(['state', 'code', 'iss', 'session_state'])(
  'a callback with the parameter %s twice is refused',
  async (name) => {
    await joined('doubled')
    work.account = 'doubled'
    const browser = new TestBrowser()
    const callback = new URL(await browser.signInAtProvider(url(), 'work'))
    const value = callback.searchParams.get(name) ?? ''
    callback.searchParams.append(name, value)
    if (name === 'session_state') callback.searchParams.append(name, value)
    const response = await browser.open(callback.href)
    expect([response.status, await response.text()]).toEqual([
      400,
      expect.stringContaining('could not be verified'),
    ])
    expect(await browser.viewer(url())).toBe('UNAUTHENTICATED')
  },
)

test('keys that the provider has rotated are found at the next sign-in', async () => {
  await joined('rotated')
  await work.rotateKeys()
  expect((await signIn('rotated')).response.status).toBe(303)
})

test('the provider ends the sessions of a person, or one of them, on the back channel', async () => {
  await joined('ben')
  const [first, second] = [await signIn('ben'), await signIn('ben')]
  const ada = await joined('stays')
  // What the provider calls its three sessions with Ben, the one of the invitation first.
  const sids = (
    await fixture.db
      .selectFrom('session')
      .innerJoin('person', 'person.person_id', 'session.person_id')
      .select('provider_session')
      .where('subject', '=', 'ben')
      .orderBy('session.created_at')
      .execute()
  ).map((row) => row.provider_session as string)
  expect(new Set(sids).size).toBe(3)
  await fixture.audited()
  await work.logOut('ben', sids[1])
  expect(await first.browser.viewer(url())).toBe('UNAUTHENTICATED')
  expect(await second.browser.viewer(url())).toBe('PERSON')
  await work.logOut('ben')
  expect(await second.browser.viewer(url())).toBe('UNAUTHENTICATED')
  expect(await ada.viewer(url())).toBe('PERSON')
  expect(await fixture.audited()).toMatchObject([
    { action: 'session.ended', after: { sessions: 1 } },
    { action: 'session.ended', after: { sessions: 2 } },
  ])
})

test('a member whose provider sends an invalid address, or none, stays a member', async () => {
  await joined('nomad')
  for (const email of ['nomad', '<b>nomad</b>@example.com', undefined]) {
    work.accounts.set('nomad', { ...(email && { email, email_verified: true }) })
    expect((await signIn('nomad')).response.status).toBe(303)
  }
  const { email } = await fixture.db
    .selectFrom('person')
    .select('email')
    .where('subject', '=', 'nomad')
    .executeTakeFirstOrThrow()
  expect(email).toBe('nomad@example.com')
})

test('callbacks of one address are limited before anything is looked up', async () => {
  const browser = new TestBrowser()
  const open = async () =>
    (await browser.open(`${url()}/login/oidc/work/callback?state=${'s'.repeat(43)}`)).status
  // At once: what is slow gets a new allowance meanwhile.
  const statuses = await Promise.all(Array.from({ length: CALLBACKS_PER_MINUTE + 20 }, open))
  const passed = statuses.filter((status) => status === 400).length
  expect(passed).toBeGreaterThanOrEqual(CALLBACKS_PER_MINUTE)
  expect(statuses.length - passed).toBeGreaterThan(0)
  expect(new Set(statuses)).toEqual(new Set([400, 429]))
})
