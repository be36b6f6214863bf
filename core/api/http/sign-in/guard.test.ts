import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mintLoginLink } from '../../../identity/login-links.ts'
import {
  type LyingProvider,
  startLyingProvider,
} from '../../../identity/oidc/testing/lying-provider.ts'
import { DEFAULT_SIGN_IN } from '../../../identity/sign-in/sign-in-settings.ts'
import { createCoreApp } from '../app.ts'
import { createMetrics } from '../metrics.ts'
import { DENIALS_PER_MINUTE } from './begin-session.ts'
import { deviceOf } from './browser.ts'
import { SIGN_INS_PER_MINUTE } from './guard.ts'
import { type SignInFixture, startSignInFixture, TestBrowser } from './testing/fixture.ts'

/** What holds for every way to sign in, before anything of the request is looked at. */
let fixture: SignInFixture
let provider: LyingProvider
beforeAll(async () => {
  provider = await startLyingProvider()
  fixture = await startSignInFixture(() => ({ providers: [settings()] }))
})
afterAll(async () => {
  await fixture?.close()
  await provider?.close()
})
const settings = () => ({
  ...{ id: 'liar', name: 'Liar', issuer: provider.issuer, clientId: 'sluice' },
  ...{ clientSecret: 'secret', trustsEmail: false },
})
const url = () => fixture.core.url

const ROUTES = [
  ['POST', '/login'],
  ['POST', '/login/oidc/liar'],
  ['POST', '/login/passkey/options'],
  ['POST', '/login/passkey/verify'],
  ['POST', '/invitation/preview'],
  ['POST', '/invitation/accept/session'],
  ['POST', '/invitation/accept/passkey/options'],
  ['POST', '/invitation/accept/passkey/verify'],
  ['POST', '/v1/passkeys/options'],
  ['POST', '/v1/passkeys'],
  ['DELETE', '/v1/passkeys/abc'],
] as const

test('a link begins a session that is in the audit log with its device, and a wrong one is there too', async () => {
  const browser = new TestBrowser({ 'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0' })
  await fixture.audited()
  const token = await mintLoginLink(fixture.db)
  expect((await browser.post(`${url()}/login`, { token })).status).toBe(204)
  expect((await new TestBrowser().post(`${url()}/login`, { token })).status).toBe(401)
  expect((await new TestBrowser().post(`${url()}/login`, { token: 'x' })).status).toBe(401)
  const entries = (await fixture.audited()).filter(
    ({ action }) => action !== 'sign-in.link-created',
  )
  expect(entries).toEqual([
    { action: 'session.begun', after: { method: 'link', device: 'Firefox on Linux' } },
    { action: 'sign-in.refused', after: { code: 'SIGN_IN_LINK_INVALID' } },
  ])
})

test('refused sign-ins are in the audit log up to a limit for each address', async () => {
  const attempt = (browser: TestBrowser) =>
    browser.post(`${url()}/login`, { token: 'x'.repeat(43) })
  const flood = new TestBrowser()
  for (let i = 0; i < DENIALS_PER_MINUTE.address + 3; i++) await attempt(flood)
  expect(await fixture.audited()).toHaveLength(DENIALS_PER_MINUTE.address)
  await attempt(new TestBrowser())
  expect(await fixture.audited()).toHaveLength(1)
})

describe.each(ROUTES)('%s %s', (method, path) => {
  const send = async (headers: Record<string, string>, body = '{}', address = '203.0.113.1') => {
    const response = await fetch(url() + path, {
      method,
      headers: { 'content-type': 'application/json', 'x-test-address': address, ...headers },
      body,
    })
    const { code } = (await response.json().catch(() => ({}))) as { code?: string }
    return [response.status, code]
  }
  const OWN = { 'x-sluice-sign-in': '1', 'sec-fetch-site': 'same-origin' }

  test('is for pages of Sluice alone', async () => {
    const refused = [403, 'CROSS_SITE_REFUSED']
    expect(await send({})).toEqual(refused)
    expect(await send({ 'sec-fetch-site': 'same-origin' })).toEqual(refused)
    for (const site of ['cross-site', 'same-site'])
      expect(await send({ ...OWN, 'sec-fetch-site': site })).toEqual(refused)
    expect(await send({ 'x-sluice-sign-in': '1', origin: 'https://evil.example' })).toEqual(refused)
    expect(await send({ ...OWN, via: '1.1 proxy' })).toEqual([403, 'PUBLIC_URL_MISSING'])
  })

  test('is limited for each address, and takes no other method and no large body', async () => {
    const address = `198.51.100.${ROUTES.findIndex((route) => route[1] === path) + 1}`
    for (let i = 0; i < SIGN_INS_PER_MINUTE; i++)
      expect((await send(OWN, '{}', address))[0]).not.toBe(429)
    expect(await send(OWN, '{}', address)).toEqual([429, 'TOO_MANY_ATTEMPTS'])
    const other = await fetch(url() + path, { method: 'PUT' })
    expect(other.status).toBe(405)
    if (method === 'POST')
      expect(await send(OWN, JSON.stringify('x'.repeat(17_000)))).toEqual([413, 'BODY_TOO_LARGE'])
  })
})

test('under HTTPS, what binds a sign-in to its browser is a cookie that no other host can set', async () => {
  const { db, log, graphql } = fixture.query
  const app = createCoreApp({
    ...{ db, log, logger: { error() {} }, metrics: createMetrics({ db, log }) },
    api: {
      ...{ graphql, dashboardFolder: '/nowhere', publicUrl: 'https://sluice.example' },
      signIn: { ...DEFAULT_SIGN_IN, providers: [settings()] },
    },
  })
  const post = (path: string) =>
    app.request(`https://sluice.example${path}`, {
      method: 'POST',
      headers: { 'x-sluice-sign-in': '1', host: 'sluice.example' },
      body: '{}',
    })
  for (const path of ['/login/oidc/liar', '/login/passkey/options']) {
    const response = await post(path)
    expect(response.status).toBe(200)
    const [cookie = ''] = response.headers.getSetCookie()
    expect(cookie).toMatch(/^__Host-sluice_pre_login=[\w-]{43};/)
    for (const part of ['Max-Age=600', 'Path=/', 'HttpOnly', 'Secure', 'SameSite=Lax'])
      expect(cookie).toContain(part)
    expect(cookie).not.toContain('Domain')
    const body = (await response.json()) as { url?: string; rpId?: string }
    if (body.url)
      expect(new URL(body.url).searchParams.get('redirect_uri')).toBe(
        'https://sluice.example/login/oidc/liar/callback',
      )
    else expect(body.rpId).toBe('sluice.example')
  }
})

test('an invitation shows what it is for, and one that cannot be accepted shows nothing', async () => {
  const browser = new TestBrowser()
  const preview = async (token: unknown) =>
    (await browser.post(`${url()}/invitation/preview`, { token })).json()
  const token = await fixture.invite('ivy@example.com', 'ADMIN')
  expect(await preview(token)).toEqual({
    ...{ tenant: 'default', role: 'ADMIN', email: 'ivy@example.com', invited_by: null },
    ...{ expires_at: expect.stringMatching(/^\d{4}-/), signed_in: null },
  })
  for (const unknown of ['x'.repeat(43), 'x', 7, undefined])
    expect(await preview(unknown)).toMatchObject({ status: 404, code: 'INVITATION_NOT_FOUND' })
  const accept = await browser.post(`${url()}/invitation/accept/session`, { token })
  expect(accept.status).toBe(401)
  // The operator by a link is not a person, whom a role could be given.
  const operator = await browser.post(
    `${url()}/invitation/accept/session`,
    { token },
    await fixture.query.session(),
  )
  expect(operator.status).toBe(401)
  await fixture.query.database.pool.query(
    `UPDATE invitation SET expires_at = now() - interval '1 s'`,
  )
  expect(await preview(token)).toMatchObject({ code: 'INVITATION_NOT_FOUND' })
})

test('under an IP address there are no passkeys, which browsers would not make there', async () => {
  const browser = new TestBrowser()
  const response = await browser.post(`${url()}/login/passkey/options`, {})
  expect(await response.json()).toMatchObject({ code: 'PASSKEYS_NOT_AVAILABLE' })
  const page = await (await fetch(`${url()}/invitation`)).text()
  expect(page).not.toContain('passkey')
  const named = await (await fetch(`${url().replace('127.0.0.1', 'localhost')}/invitation`)).text()
  expect(named).toContain('Accept with a new passkey')
})

test.each([
  [
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/140.0 Safari/537.36 Edg/140.0',
    'Edge on Windows',
  ],
  ['Mozilla/5.0 (Linux; Android 16) Chrome/140.0 Mobile Safari/537.36', 'Chrome on Android'],
  [
    'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1',
    'Safari on iOS',
  ],
  ['Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/19.0 Safari/605.1', 'Safari on macOS'],
  ['curl/8.0', undefined],
  [undefined, undefined],
])('the user agent %s is shown as %s', (userAgent, device) => {
  expect(deviceOf(userAgent)).toBe(device)
})
