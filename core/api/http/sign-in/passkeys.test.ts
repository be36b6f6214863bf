import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchBrowser, signIn } from '../../../../tests/lib/browser.ts'
import { loginUrl, mintLoginLink } from '../../../identity/login-links.ts'
import {
  type LyingProvider,
  startLyingProvider,
} from '../../../identity/oidc/testing/lying-provider.ts'
import { type SignInFixture, startSignInFixture, TestBrowser } from './testing/fixture.ts'

/** The pages of core and passkeys, in Chromium with a virtual authenticator. */
let fixture: SignInFixture
let browser: Browser
let provider: LyingProvider
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

beforeAll(async () => {
  ;[browser, provider] = await Promise.all([launchBrowser(), startLyingProvider()])
  const client = { clientId: 'sluice', clientSecret: 'secret', trustsEmail: false }
  fixture = await startSignInFixture(() => ({
    providers: [{ id: 'liar', name: 'Liar & Söhne', issuer: provider.issuer, ...client }],
  }))
}, 120_000)
afterAll(async () => {
  await browser?.close()
  await fixture?.close()
  await provider?.close()
})

interface Visitor {
  context: BrowserContext
  page: Page
  cdp: CDPSession
  authenticatorId: string
}

let visitors = 0
/** Passkeys do not work under an IP address. */
const url = () => fixture.core.url.replace('127.0.0.1', 'localhost')

async function visit(
  options: { isUserVerified?: boolean; width?: number; dark?: boolean } = {},
): Promise<Visitor> {
  const { isUserVerified = true, width = 390, dark = false } = options
  const context = await browser.newContext({
    viewport: { width, height: 800 },
    colorScheme: dark ? 'dark' : 'light',
    extraHTTPHeaders: { 'x-test-address': `10.9.0.${++visitors}` },
  })
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  const cdp = await context.newCDPSession(page)
  await cdp.send('WebAuthn.enable')
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified,
      automaticPresenceSimulation: true,
    },
  })
  return { context, page, cdp, authenticatorId }
}

/** Opens the link of an invitation, and accepts it with a new passkey, by keyboard. */
async function join(email: string, name: string): Promise<Visitor> {
  const visitor = await visit()
  const { page } = visitor
  await page.goto(`${url()}/invitation#token=${await fixture.invite(email)}`)
  await page.getByLabel('Your name').fill(name)
  await page.keyboard.press('Enter')
  await page.waitForURL((to) => to.pathname === '/')
  return visitor
}

const viewer = (page: Page) =>
  page.evaluate(async () => {
    const response = await fetch('/graphql', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-graphql-yoga-csrf': 'sluice' },
      body: JSON.stringify({ query: '{ viewer { kind } }' }),
    })
    const { data, errors } = await response.json()
    return data?.viewer.kind ?? errors[0].extensions.code
  })

/** Calls core as the scripts of its pages do. */
const call = (page: Page, method: string, path: string, body?: unknown) =>
  page.evaluate(
    async ([method, path, body]) => {
      const response = await fetch(path as string, {
        method: method as string,
        headers: { 'content-type': 'application/json', 'x-sluice-sign-in': '1' },
        ...(method === 'GET' ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, body: text === '' ? undefined : JSON.parse(text) }
    },
    [method, path, body] as const,
  )

/** What the authenticator makes of options, without sending it. */
const ask = (page: Page, kind: 'get' | 'create', options: unknown) =>
  page.evaluate(
    async ([kind, options]) => {
      // biome-ignore lint/suspicious/noExplicitAny: newer than the types
      const all = PublicKeyCredential as any
      const credential =
        kind === 'get'
          ? await navigator.credentials.get({ publicKey: all.parseRequestOptionsFromJSON(options) })
          : await navigator.credentials.create({
              publicKey: all.parseCreationOptionsFromJSON(options),
            })
      // biome-ignore lint/suspicious/noExplicitAny: newer than the types
      return (credential as any).toJSON()
    },
    [kind, options] as const,
  )

test('an invitation is accepted with a new passkey, which signs in again', async () => {
  await fixture.audited()
  const { page } = await join('ada@example.com', 'Ada')
  expect(await viewer(page)).toBe('PERSON')
  const person = await fixture.db
    .selectFrom('person')
    .select(['name', 'email', 'issuer'])
    .executeTakeFirstOrThrow()
  expect(person).toEqual({ name: 'Ada', email: 'ada@example.com', issuer: 'urn:sluice:passkey' })

  await call(page, 'POST', '/logout')
  expect(await viewer(page)).toBe('UNAUTHENTICATED')
  await page.goto(`${url()}/login?return=/explore`)
  await page.getByRole('button', { name: 'Use a passkey' }).press('Enter')
  await page.waitForURL((to) => to.pathname === '/explore')
  expect(await viewer(page)).toBe('PERSON')
  const begun = (await fixture.audited()).filter(({ action }) => action === 'session.begun')
  expect(begun.map(({ after }) => after?.method)).toEqual(['passkey', 'passkey'])
})

test('somebody who is signed in accepts a further invitation of their own address alone', async () => {
  const { page } = await join('eve@example.com', 'Eve')
  const role = async () =>
    (
      await fixture.db
        .selectFrom('membership')
        .innerJoin('person', 'person.person_id', 'membership.person_id')
        .select('role')
        .where('email', '=', 'eve@example.com')
        .executeTakeFirst()
    )?.role
  await page.goto(`${url()}/invitation#token=${await fixture.invite('fred@example.com', 'OWNER')}`)
  await page.getByRole('button', { name: 'Accept as Eve' }).click()
  await expect.poll(() => page.getByRole('alert').innerText()).toContain('another e-mail address')
  await page.goto(`${url()}/invitation?2#token=${await fixture.invite('eve@example.com', 'ADMIN')}`)
  await page.getByRole('button', { name: 'Accept as Eve' }).click()
  await page.waitForURL((to) => to.pathname === '/')
  expect(await role()).toBe('ADMIN')
  // Signed out, with the passkey that she has.
  await call(page, 'POST', '/logout')
  await page.goto(`${url()}/invitation?3#token=${await fixture.invite('eve@example.com', 'OWNER')}`)
  await page.getByRole('button', { name: 'I have a passkey' }).click()
  await page.waitForURL((to) => to.pathname === '/')
  expect(await role()).toBe('OWNER')
})

test('one person has up to ten passkeys, lists them, and removes all but the last', async () => {
  const visitor = await join('mia@example.com', 'Mia')
  const { page, cdp } = visitor
  const list = async () => (await call(page, 'GET', '/v1/passkeys')).body.data
  expect(await list()).toMatchObject([{ name: 'First passkey', last_used_at: null }])
  const [first] = await list()
  expect(await call(page, 'DELETE', `/v1/passkeys/${first.id}`)).toMatchObject({
    status: 409,
    body: { code: 'LAST_PASSKEY' },
  })

  const add = async (name: string) => {
    const options = await call(page, 'POST', '/v1/passkeys/options', {})
    // The device that has one already makes no second one.
    expect(options.body.excludeCredentials).toContainEqual({ id: first.id, type: 'public-key' })
    await cdp.send('WebAuthn.clearCredentials', { authenticatorId: visitor.authenticatorId })
    const credential = await ask(page, 'create', options.body)
    const sent = await call(page, 'POST', '/v1/passkeys', { credential, name })
    return { credential, sent }
  }
  const { sent, credential } = await add('Phone\u202e')
  expect(sent).toMatchObject({ status: 201, body: { data: { name: 'Phone' } } })
  // Neither twice, nor for somebody else.
  expect((await call(page, 'POST', '/v1/passkeys', { credential })).body.code).toBe(
    'SIGN_IN_EXPIRED',
  )
  const other = await visit()
  await other.page.goto(`${url()}/login`)
  expect((await call(other.page, 'GET', '/v1/passkeys')).status).toBe(401)

  await fixture.query.database.pool.query(
    `INSERT INTO passkey (credential_id, person_id, public_key, counter, transports, name)
     SELECT sha256(i::text::bytea), person_id, '', 0, '{}', 'more'
       FROM person, generate_series(1, 7) i WHERE email = 'mia@example.com'`,
  )
  expect((await add('The tenth')).sent.status).toBe(201)
  expect((await add('The eleventh')).sent.body.code).toBe('PASSKEY_LIMIT_REACHED')
  expect((await call(page, 'DELETE', '/v1/passkeys/unknown')).body.code).toBe('PASSKEY_NOT_FOUND')
  await fixture.audited()
  expect((await call(page, 'DELETE', `/v1/passkeys/${first.id}`)).status).toBe(204)
  expect((await list()).length).toBe(9)
  expect(await fixture.audited()).toMatchObject([{ action: 'passkey.removed' }])

  await fixture.query.database.pool.query(
    `UPDATE session SET authenticated_at = now() - interval '15 minutes 5 seconds'`,
  )
  for (const [method, path] of [
    ['POST', '/v1/passkeys/options'],
    ['POST', '/v1/passkeys'],
    ['DELETE', '/v1/passkeys/x'],
  ] as const)
    expect((await call(page, method, path, {})).body.code).toBe('SIGN_IN_AGAIN')
  expect((await list()).length).toBe(9)
})

test('people of a provider have no passkeys here, and neither has the operator by a link', async () => {
  const invited = new TestBrowser()
  const invitation = await fixture.invite('lisa@example.com')
  const begun = await invited.post(`${fixture.core.url}/login/oidc/liar`, { invitation })
  const to = ((await begun.json()) as { url: string }).url
  expect((await invited.open(provider.callbackFor(to))).status).toBe(303)
  invited
    .cookiesOf(url())
    .set('sluice_session', invited.cookiesOf(fixture.core.url).get('sluice_session') as string)
  const options = await invited.post(`${url()}/v1/passkeys/options`, {})
  expect(await options.json()).toMatchObject({ code: 'FORBIDDEN' })
  const operator = await fixture.query.session()
  const own = await fetch(`${url()}/v1/passkeys`, { headers: operator })
  expect(await own.json()).toMatchObject({ code: 'FORBIDDEN' })
})

test('a passkey signs in once for a challenge, in the browser that asked, and proves that its user is there', async () => {
  const visitor = await join('otto@example.com', 'Otto')
  const { page, cdp, context, authenticatorId } = visitor
  await context.clearCookies()
  const options = async () => (await call(page, 'POST', '/login/passkey/options', {})).body
  const verify = async (credential: unknown) =>
    (await call(page, 'POST', '/login/passkey/verify', { credential })).body.code ?? 'signed in'
  const credential = await ask(page, 'get', await options())

  const thief = new TestBrowser()
  await thief.post(`${url()}/login/passkey/options`, {})
  const stolen = await thief.post(`${url()}/login/passkey/verify`, { credential })
  expect(await stolen.json()).toMatchObject({ code: 'SIGN_IN_EXPIRED' })
  expect(await verify(credential)).toBe('SIGN_IN_EXPIRED')

  const good = await ask(page, 'get', await options())
  expect(await verify(good)).toBe('signed in')
  expect(await verify(good)).toBe('SIGN_IN_EXPIRED')
  await context.clearCookies()

  const forged = await ask(page, 'get', await options())
  forged.response.signature = good.response.signature
  expect(await verify(forged)).toBe('PASSKEY_INVALID')
  const unknown = await ask(page, 'get', await options())
  expect(await verify({ ...unknown, id: 'AAAA', rawId: 'AAAA' })).toBe('PASSKEY_INVALID')
  const asAnother = await ask(page, 'get', await options())
  asAnother.response.userHandle = 'AAAA'
  expect(await verify(asAnother)).toBe('PASSKEY_INVALID')
  for (const nothing of [
    undefined,
    {},
    { id: 'AAAA', response: {} },
    { id: 7, response: { clientDataJSON: '' } },
  ])
    expect(await verify(nothing)).toBe('PASSKEY_INVALID')

  // A copy of the passkey that signed less often.
  const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId })
  const [own] = credentials
  await cdp.send('WebAuthn.clearCredentials', { authenticatorId })
  await cdp.send('WebAuthn.addCredential', {
    authenticatorId,
    credential: { ...(own as object), signCount: 1 } as never,
  })
  expect(await verify(await ask(page, 'get', await options()))).toBe('PASSKEY_INVALID')
  await cdp.send('WebAuthn.clearCredentials', { authenticatorId })
  await cdp.send('WebAuthn.addCredential', {
    authenticatorId,
    credential: { ...(own as object), signCount: 100 } as never,
  })
  expect(await verify(await ask(page, 'get', await options()))).toBe('signed in')
  await context.clearCookies()

  // Present, but nobody confirmed by finger, face or PIN.
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })
  const careless = { ...(await options()), userVerification: 'discouraged' }
  expect(await verify(await ask(page, 'get', careless))).toBe('PASSKEY_INVALID')
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: true })

  // Removed from the tenant, there is nothing to sign in to.
  await fixture.query.database.pool.query(
    `DELETE FROM membership WHERE person_id = (SELECT person_id FROM person WHERE email = 'otto@example.com')`,
  )
  expect(await verify(await ask(page, 'get', await options()))).toBe('NOT_A_MEMBER')
})

test('two who accept one invitation at the same time: one of them gets in, and nothing is left of the other', async () => {
  const token = await fixture.invite('twins@example.com')
  const prepare = async () => {
    const { page } = await visit()
    await page.goto(`${url()}/login`)
    const options = await call(page, 'POST', '/invitation/accept/passkey/options', {
      token,
      name: 'Twin',
    })
    const credential = await ask(page, 'create', options.body)
    return () =>
      call(page, 'POST', '/invitation/accept/passkey/verify', { token, name: 'Twin', credential })
  }
  const [first, second] = [await prepare(), await prepare()]
  const responses = await Promise.all([first(), second()])
  expect(responses.map(({ status }) => status).sort()).toEqual([200, 404])
  const { rows } = await fixture.query.database.pool.query(
    `SELECT count(*)::int AS people, count(credential_id)::int AS passkeys
       FROM person LEFT JOIN passkey USING (person_id) WHERE email = 'twins@example.com'`,
  )
  expect(rows).toEqual([{ people: 1, passkeys: 1 }])
})

test('a link signs in once, and one that was used leads to the other ways to sign in', async () => {
  const { page, context } = await visit()
  const link = loginUrl(url(), await mintLoginLink(fixture.db))
  await signIn(page, link)
  expect(await viewer(page)).toBe('SESSION')
  await context.clearCookies()
  await page.goto(link)
  await page.getByRole('button', { name: 'Sign in to Sluice' }).click()
  await expect.poll(() => page.getByRole('alert').innerText()).toContain('was used, has expired')
  expect(new URL(page.url()).hash).toBe('')
  expect(await page.getByRole('button').allInnerTexts()).toContain('Continue with Liar & Söhne')
  // Never to another host, whatever the address is.
  for (const [to, path] of [
    ['//evil.example', '/'],
    ['/\\\\evil.example', '/'],
    ['/explore?a=b', '/explore'],
  ] as const) {
    const token = await mintLoginLink(fixture.db)
    await page.goto(`${url()}/login?return=${encodeURIComponent(to)}#token=${token}`)
    await page.getByRole('button', { name: 'Sign in to Sluice' }).click()
    await page.waitForURL((where) => where.pathname === path)
    expect(new URL(page.url()).host).toBe(new URL(url()).host)
  }
})

test('every page fits 390 px in light and dark, works by keyboard, and axe finds nothing', async () => {
  const token = await fixture.invite('shown@example.com')
  const from = new TestBrowser()
  const begun = await from.post(`${fixture.core.url}/login/oidc/liar`, {})
  const callback = provider.callbackFor(((await begun.json()) as { url: string }).url)
  const lost = await from.open(callback)
  expect(lost.status).toBe(303)
  for (const dark of [false, true]) {
    const { page } = await visit({ dark })
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(String(error)))
    page.on(
      'console',
      (message) => /Content Security/.test(message.text()) && errors.push(message.text()),
    )
    for (const [path, shown] of [
      ['/login', 'Continue with Liar & Söhne'],
      ['/login#token=x', 'Sign in to Sluice'],
      [`/invitation#token=${token}`, 'shown@example.com'],
      ['/invitation', 'no invitation in it'],
      ['/invitation#token=x', 'does not exist'],
      ['/login/oidc/liar/callback?state=x', 'You are not signed in'],
    ] as const) {
      await page.goto('about:blank')
      await page.goto(url() + path)
      await page.getByText(shown).waitFor()
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(390)
      await page.evaluate(axe)
      expect(
        await page.evaluate('axe.run().then((result) => result.violations.map(({ id }) => id))'),
        path,
      ).toEqual([])
    }
    await page.goto(`${url()}/login`)
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe(
      'Continue with Liar & Söhne',
    )
    await page.keyboard.press('Enter')
    await page.waitForURL((to) => to.origin === provider.issuer && to.searchParams.has('nonce'))
    expect(errors).toEqual([])
  }
})
