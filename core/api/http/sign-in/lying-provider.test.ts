import { createHmac } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { generateKeyPair, SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { createGuardedFetch } from '../../../identity/oidc/guarded-fetch.ts'
import {
  type Lies,
  type LyingProvider,
  signedWithPublicKey,
  startLyingProvider,
  unsigned,
} from '../../../identity/oidc/testing/lying-provider.ts'
import { PENDING_LIMITS } from '../../../identity/sign-in/bounded-table.ts'
import { type SignInFixture, startSignInFixture, TestBrowser } from './testing/fixture.ts'

/** Sign-in at a provider that breaks its promises, one at a time. */
let fixture: SignInFixture
let provider: LyingProvider
const settings = {
  name: 'Liar',
  clientId: 'sluice',
  clientSecret: 'secret-of-liar',
  trustsEmail: false,
}

const COOLDOWN_MS = 10_000
/** As providers see the time. */
let clockMs = 0

beforeAll(async () => {
  provider = await startLyingProvider()
  fixture = await startSignInFixture(
    () => ({ providers: [{ id: 'liar', issuer: provider.issuer, ...settings }] }),
    {
      fetch: createGuardedFetch({ msMax: 1_500, bytesMax: 64 * 1024 }),
      keysCooldownMs: COOLDOWN_MS,
      now: () => clockMs,
    },
  )
  const browser = new TestBrowser()
  const invitation = await fixture.invite('lisa@example.com')
  expect((await browser.open(await begin(browser, { invitation }))).status).toBe(303)
})
afterAll(async () => {
  await fixture?.close()
  await provider?.close()
})
afterEach(() => {
  provider.lies = {}
  vi.useRealTimers()
})

const url = () => fixture.core.url

async function begin(browser: TestBrowser, body: object = {}): Promise<string> {
  const begun = await browser.post(`${url()}/login/oidc/liar`, body)
  expect(begun.status).toBe(200)
  return provider.callbackFor(((await begun.json()) as { url: string }).url)
}

/** @returns the status of the callback, and who is signed in by it */
async function attempt(lies: Lies = {}): Promise<[number, string]> {
  provider.lies = lies
  const browser = new TestBrowser()
  const response = await browser.open(await begin(browser))
  return [response.status, await browser.viewer(url())]
}

const SIGNED_IN = [303, 'PERSON']
const INVALID = [400, 'UNAUTHENTICATED']
const UNAVAILABLE = [503, 'UNAUTHENTICATED']
const now = () => Math.floor(Date.now() / 1_000)

test('without a lie, the person signs in', async () => {
  expect(await attempt()).toEqual(SIGNED_IN)
  expect(await attempt({ claims: { aud: ['sluice'], azp: 'sluice' } })).toEqual(SIGNED_IN)
  expect(await attempt({ claims: { aud: ['sluice', 'x'], azp: 'sluice' } })).toEqual(SIGNED_IN)
})

test.each<[string, Lies]>([
  ['is of another nonce', { claims: { nonce: 'another-nonce' } }],
  ['has no nonce', { without: ['nonce'] }],
  ['is for another client', { claims: { aud: 'another-client' } }],
  ['is for a client whose id begins alike', { claims: { aud: 'sluice2' } }],
  ['is for several clients without a party', { claims: { aud: ['sluice', 'x'] } }],
  ['was issued to another party', { claims: { azp: 'another-client' } }],
  ['is for several clients and another party', { claims: { aud: ['sluice', 'x'], azp: 'x' } }],
  ['is of another issuer', { claims: { iss: 'http://127.0.0.1:1' } }],
  ['is of an issuer with a slash more', { claims: { iss: 'SLASH' } }],
  ['has no subject', { without: ['sub'] }],
  ['has an empty subject', { claims: { sub: '' } }],
  ['has a number as its subject', { claims: { sub: 7 } }],
  ['has a subject with a line break', { claims: { sub: 'li\nsa' } }],
  ['has an auth_time that is not a number', { claims: { auth_time: 'now' } }],
  ['has a subject of 256 characters', { claims: { sub: 'x'.repeat(256) } }],
  ['never expires', { without: ['exp'] }],
  ['does not say when it was issued', { without: ['iat'] }],
  ['is not signed', { idToken: unsigned }],
  ['is signed with the public key as a secret', { idToken: signedWithPublicKey }],
  ['is signed with the secret of the client', { idToken: signedWithSecret }],
  ['is signed with the key of somebody else', { idToken: signedBySomebody }],
  [
    'is signed with a key that is not published',
    { idToken: (claims) => provider.sign(claims, { kid: 'unknown' }) },
  ],
  [
    'was changed after it was signed',
    { idToken: async (claims) => changed(await provider.sign(claims)) },
  ],
])('an ID token that %s signs nobody in', async (_, lies) => {
  if (lies.claims?.iss === 'SLASH') lies.claims.iss = `${provider.issuer}/`
  expect(await attempt(lies)).toEqual(INVALID)
})

test.each<[string, Lies, unknown[]]>([
  ['59 s ahead', { claims: { iat: now() + 59 } }, SIGNED_IN],
  ['10 min ahead', { claims: { iat: now() + 600, exp: now() + 900 } }, INVALID],
  ['55 s behind', { claims: { iat: now() - 55, exp: now() + 245 } }, SIGNED_IN],
  ['10 min behind', { claims: { iat: now() - 600, exp: now() - 300 } }, INVALID],
  [
    '10 min behind, with tokens of an hour',
    { claims: { iat: now() - 600, exp: now() + 3_000 } },
    INVALID,
  ],
])('a provider whose clock is %s is judged by the clock of Postgres', async (_, lies, expected) => {
  // Times above were read while the tests were collected.
  const late = now() - COLLECTED
  const { iat, exp = now() - late + 300 } = lies.claims as { iat: number; exp?: number }
  expect(await attempt({ claims: { iat: iat + late, exp: exp + late } })).toEqual(expected)
})
const COLLECTED = now()

test('the clock of this machine decides nothing', async () => {
  for (const ms of [-600_000, 600_000]) {
    const real = now()
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })
    expect(await attempt({ claims: { iat: real, exp: real + 300 } })).toEqual(SIGNED_IN)
    vi.useRealTimers()
  }
})

test.each<[string, Lies]>([
  ['of another issuer', { callback: { iss: 'http://127.0.0.1:1' } }],
  ['without an issuer, from a provider that always names it', { callback: { iss: undefined } }],
  ['without a code', { callback: { code: undefined } }],
  ['with a code of another sign-in', { callback: { code: 'code-1' } }],
  ['without a state', { callback: { state: undefined } }],
  ['with an error', { callback: { code: undefined, error: 'access_denied' } }],
])('a callback %s signs nobody in', async (_, lies) => {
  expect(await attempt(lies)).toEqual(INVALID)
})

test('a sign-in for which the provider asked for no credentials is as old as those', async () => {
  const ages = async (auth_time?: number) => {
    expect(await attempt({ claims: { auth_time } })).toEqual(SIGNED_IN)
    const { rows } = await fixture.query.database.pool.query(
      `SELECT round(extract(epoch FROM now() - authenticated_at))::int AS age FROM session ORDER BY created_at DESC LIMIT 1`,
    )
    return rows[0].age as number
  }
  expect(await ages()).toBeLessThan(5)
  expect(await ages(now() + 50)).toBeLessThan(5)
  const old = await ages(now() - 3_600)
  expect(old).toBeGreaterThanOrEqual(3_600)
  expect(old).toBeLessThan(3_605)
})

test('a provider that is to ask again, and did not, signs nobody in', async () => {
  const again = async (auth_time?: number) => {
    provider.lies = { claims: { auth_time } }
    const browser = new TestBrowser()
    const response = await browser.open(await begin(browser, { again: true }))
    return [response.status, await browser.viewer(url())]
  }
  expect(await again(now())).toEqual(SIGNED_IN)
  expect(await again(now() - 50)).toEqual(SIGNED_IN)
  expect(await again(now() - 90)).toEqual(INVALID)
  // The time was asked for: without it nobody knows whether the person was.
  expect(await again()).toEqual(INVALID)
})

test('a code is sent to the provider with its verifier, and once', async () => {
  const browser = new TestBrowser()
  const callback = await begin(browser)
  const cookies = new Map(browser.cookiesOf(url()))
  const tokens = provider.requests.token as number
  expect((await browser.open(callback)).status).toBe(303)
  for (const [name, value] of cookies) browser.cookiesOf(url()).set(name, value)
  expect((await browser.open(callback)).status).toBe(400)
  expect(provider.requests.token).toBe(tokens + 1)
})

test('an address that the ID token lacks is taken from the user info of the same subject', async () => {
  const userinfo = { sub: 'nina', email: 'nina@example.com', email_verified: true }
  const invitation = await fixture.invite('nina@example.com')
  const accept = async (more: object) => {
    const claims = { sub: 'nina', email_verified: true }
    provider.lies = { claims, without: ['email'], userinfo: { ...userinfo, ...more } }
    const browser = new TestBrowser()
    return (await browser.open(await begin(browser, { invitation }))).status
  }
  expect(await accept({ sub: 'somebody-else' })).toBe(400)
  for (const email_verified of [false, undefined, 'true'])
    expect(await accept({ email_verified })).toBe(403)
  expect(await accept({})).toBe(303)
})

test('keys are fetched again for an unknown key, and not more often than the cool-down allows', async () => {
  const unknown = async (kid: string) =>
    expect(await attempt({ idToken: (claims) => provider.sign(claims, { kid }) })).toEqual(INVALID)
  clockMs += COOLDOWN_MS
  await provider.rotate('key-1')
  const before = provider.requests.keys as number
  expect(await attempt()).toEqual(SIGNED_IN)
  expect(provider.requests.keys).toBe(before + 1)
  // The former key proves nothing now, and unknown ones cause no requests.
  for (const kid of ['key-0', 'a']) await unknown(kid)
  clockMs += COOLDOWN_MS - 1
  await unknown('b')
  expect(provider.requests.keys).toBe(before + 1)
  clockMs += 1
  await unknown('c')
  expect(provider.requests.keys).toBe(before + 2)
  // And after ten minutes, known or not.
  clockMs += 600_000
  expect(await attempt()).toEqual(SIGNED_IN)
  expect(provider.requests.keys).toBe(before + 3)
})

test.each<[string, Lies['respond']]>([
  ['its token endpoint redirects', { token: redirect }],
  ['its token endpoint is slow', { token: () => {} }],
  ['its token endpoint fails', { token: (response) => void response.writeHead(500).end() }],
  ['its token endpoint sends too much', { token: (response) => void sendZeros(response) }],
])('nobody is signed in while %s', async (_, respond) => {
  expect(await attempt({ respond })).toEqual(UNAVAILABLE)
  expect(await attempt()).toEqual(SIGNED_IN)
})

test('sign-ins that wait are bounded for an address and in all, and the newest ones stay', async () => {
  const here = { 'x-test-address': '203.0.113.9' }
  const all: { browser: TestBrowser; callback: string }[] = []
  for (let i = 0; i <= PENDING_LIMITS.perAddressMax; i++) {
    const browser = new TestBrowser(here)
    all.push({ browser, callback: await begin(browser) })
  }
  const open = async (i: number) => {
    const { browser, callback } = all.at(i) as { browser: TestBrowser; callback: string }
    return (await browser.open(callback)).status
  }
  expect(await open(0)).toBe(400)
  expect(await open(1)).toBe(303)
  expect(await open(-1)).toBe(303)
  const { pool } = fixture.query.database
  await pool.query(
    `INSERT INTO pending_sign_in (state_sha256, browser_sha256, provider, nonce, verifier, redirect_uri, return_to, again,
                                  address_group, created_at, expires_at)
     SELECT sha256(i::text::bytea), '', '', '', '', '', '', false, i::text, now() - interval '1 minute', now() + interval '9 minutes'
       FROM generate_series(1, $1) i`,
    [PENDING_LIMITS.max],
  )
  const browser = new TestBrowser()
  const callback = await begin(browser)
  const { rows } = await pool.query('SELECT count(*)::int AS count FROM pending_sign_in')
  expect(rows).toEqual([{ count: PENDING_LIMITS.max }])
  expect((await browser.open(callback)).status).toBe(303)
})

test.each([
  ['//evil.example', 400],
  ['/\\\\evil.example', 400],
  ['/\t/evil.example', 400],
  ['https://evil.example', 400],
  ['explore', 400],
  [7, 400],
  [`/${'x'.repeat(2_048)}`, 400],
  [`/${'x'.repeat(2_047)}`, 200],
  ['/explore?from=2026-01-01T00:00:00Z#top', 200],
])('a sign-in that leads to %j afterwards is responded to with %i', async (return_to, status) => {
  const response = await new TestBrowser().post(`${url()}/login/oidc/liar`, { return_to })
  expect(response.status).toBe(status)
})

test('a sign-in begins with a POST of a page of Sluice alone', async () => {
  const path = `${url()}/login/oidc/liar`
  const browser = new TestBrowser()
  expect((await browser.open(path)).status).toBe(405)
  expect((await browser.open(path, { method: 'POST', body: '{}' })).status).toBe(403)
  expect((await browser.post(path, {}, { 'sec-fetch-site': 'cross-site' })).status).toBe(403)
  expect((await browser.post(`${url()}/login/oidc/unknown`, {})).status).toBe(404)
  expect((await browser.post(path, { invitation: 'x' })).status).toBe(404)
  expect(browser.cookiesOf(url()).size).toBe(0)
})

test.each<[string, Record<string, unknown>, number, object?]>([
  ['of now', {}, 200],
  ['of five minutes ago', { iat: -290 }, 200],
  ['of six minutes ago', { iat: -360 }, 400],
  ['of the future', { iat: 120 }, 400],
  ['that is an ID token', { events: undefined }, 400],
  ['with another event', { events: { other: {} } }, 400],
  ['with a nonce', { nonce: 'a-nonce' }, 400],
  ['without an id', { jti: undefined }, 400],
  ['for another client', { aud: 'another-client' }, 400],
  ['of another issuer', { iss: 'http://127.0.0.1:1' }, 400],
  ['of nobody', { sub: undefined }, 400],
  ['that has expired', { exp: -100 }, 400],
  ['of the type of today', {}, 200, { typ: 'logout+jwt' }],
  ['of the type of before', {}, 200, { typ: 'JWT' }],
  ['of the type of an access token', {}, 400, { typ: 'at+jwt' }],
])('a logout token %s', async (_, claims, status, header = {}) => {
  const browser = new TestBrowser()
  provider.lies = { claims: { sid: 'session-1' } }
  await browser.open(await begin(browser))
  const all: Record<string, unknown> = {
    ...{ iss: provider.issuer, aud: 'sluice', sub: 'lisa', jti: 'an-id', iat: 0, exp: 300 },
    ...{ events: { 'http://schemas.openid.net/event/backchannel-logout': {} }, ...claims },
  }
  for (const name of ['iat', 'exp']) all[name] = now() + (all[name] as number)
  const logOut = (token: string) =>
    fetch(`${url()}/logout/oidc/liar/back-channel`, {
      method: 'POST',
      body: new URLSearchParams({ logout_token: token }),
    })
  expect((await logOut(unsigned(all))).status).toBe(400)
  expect((await logOut(signedWithPublicKey(all, provider.keys))).status).toBe(400)
  expect(await browser.viewer(url())).toBe('PERSON')
  const response = await logOut(await provider.sign(all, { ...header }))
  expect([response.status, response.headers.get('cache-control')]).toEqual([status, 'no-store'])
  // One of five minutes ago is from before this session.
  const hasEnded = status === 200 && claims.iat === undefined
  expect(await browser.viewer(url())).toBe(hasEnded ? 'UNAUTHENTICATED' : 'PERSON')
})

test('a logout token that is sent once more ends no session that began after it', async () => {
  provider.lies = { claims: { sid: 'session-2' } }
  const browser = new TestBrowser()
  await browser.open(await begin(browser))
  const token = await provider.sign({
    ...{ iss: provider.issuer, aud: 'sluice', sub: 'lisa', jti: 'an-id' },
    ...{ iat: now() - 100, exp: now() + 300 },
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
  })
  const body = new URLSearchParams({ logout_token: token })
  const sent = await fetch(`${url()}/logout/oidc/liar/back-channel`, { method: 'POST', body })
  expect(sent.status).toBe(200)
  expect(await browser.viewer(url())).toBe('PERSON')
  // Nobody can tell which of two tokens was meant.
  body.append('logout_token', token)
  const both = await fetch(`${url()}/logout/oidc/liar/back-channel`, { method: 'POST', body })
  expect(both.status).toBe(400)
})

test('nothing of what a provider sends reaches the log', () => {
  const text = JSON.stringify(fixture.warnings)
  expect(fixture.warnings.length).toBeGreaterThan(20)
  for (const secret of ['lisa', 'an-access-token', 'secret-of-liar', 'code-', 'eyJ'])
    expect(text).not.toContain(secret)
})

function redirect(response: ServerResponse): void {
  response.writeHead(302, { location: `${provider.issuer}/elsewhere` }).end()
}

/** 10 MB in a few kilobytes. */
function sendZeros(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
  response.end(gzipSync(Buffer.alloc(10_000_000, ' ')))
}

async function signedBySomebody(claims: Record<string, unknown>): Promise<string> {
  const { privateKey } = await generateKeyPair('RS256')
  return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'key-0' }).sign(privateKey)
}

function signedWithSecret(claims: Record<string, unknown>): string {
  const text = unsigned(claims)
    .replace(/^[^.]*/, btoa('{"alg":"HS256"}'))
    .replace(/\.$/, '')
  return `${text}.${createHmac('sha256', settings.clientSecret).update(text).digest('base64url')}`
}

function changed(token: string): string {
  const [header, claims = '', signature] = token.split('.')
  const text = Buffer.from(claims, 'base64url').toString().replace('"lisa"', '"root"')
  return `${header}.${Buffer.from(text).toString('base64url')}.${signature}`
}
