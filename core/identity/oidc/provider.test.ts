import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { createGuardedFetch, PROVIDER_LIMITS } from './guarded-fetch.ts'
import { createProvider } from './provider.ts'
import { type Lies, type LyingProvider, startLyingProvider } from './testing/lying-provider.ts'

let liar: LyingProvider
beforeAll(async () => {
  liar = await startLyingProvider()
})
afterAll(() => liar?.close())
afterEach(() => {
  liar.lies = {}
})

const BYTES_MAX = 4_096
const request = {
  ...{
    redirectUri: 'http://localhost/callback',
    state: 's',
    nonce: 'n',
    verifier: 'v',
    again: false,
  },
}

/** A provider that nobody has asked yet. */
function create({ issuer = liar.issuer, now }: { issuer?: string; now?: () => number } = {}) {
  const settings = { id: 'liar', name: 'Liar', clientId: 'sluice', clientSecret: 'secret' }
  const fetch = createGuardedFetch({ msMax: 200, bytesMax: BYTES_MAX })
  return createProvider({ ...settings, issuer, trustsEmail: false }, { fetch, ...(now && { now }) })
}

const discovery = (respond: (response: ServerResponse) => void): Lies => ({
  respond: { discovery: respond },
})
const json = (
  response: ServerResponse,
  body: string | Buffer,
  headers: Record<string, string> = {},
) => response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(body)

test.each<[string, () => Lies, string]>([
  [
    'redirects',
    () =>
      discovery((response) => response.writeHead(301, { location: `${liar.issuer}/keys` }).end()),
    'redirects, which is not followed',
  ],
  ['sends nothing', () => discovery(() => {}), 'no response in time'],
  [
    'sends a byte at a time',
    () =>
      discovery((response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        const timer = setInterval(() => response.write(' '), 20)
        response.on('close', () => clearInterval(timer))
      }),
    'no response in time',
  ],
  [
    'sends too much',
    () => discovery((response) => void json(response, ' '.repeat(BYTES_MAX + 1))),
    'more than 4096 bytes',
  ],
  [
    'sends too much, compressed',
    () =>
      discovery(
        (response) =>
          void json(response, gzipSync(' '.repeat(BYTES_MAX + 1)), { 'content-encoding': 'gzip' }),
      ),
    'more than 4096 bytes',
  ],
  ['fails', () => discovery((response) => response.writeHead(502).end()), 'status 502'],
  ['is not there', () => discovery((response) => response.writeHead(404).end()), 'discovery'],
  ['sends what is not JSON', () => discovery((response) => void json(response, '{')), 'discovery'],
  ['calls itself otherwise', () => ({ metadata: { issuer: 'http://127.0.0.1:1' } }), 'issuer'],
  ['has a slash more', () => ({ metadata: { issuer: `${liar.issuer}/` } }), 'is of the issuer'],
  ['has no keys', () => ({ metadata: { jwks_uri: undefined } }), 'no jwks_uri'],
])('a provider whose discovery %s is unavailable', async (_, liesOf, reason) => {
  liar.lies = liesOf()
  const failed = create().authorizationUrl(request)
  await expect(failed).rejects.toMatchObject({
    name: 'ProviderUnavailableError',
    message: expect.stringContaining(reason),
  })
})

test('metadata of exactly as many bytes as are allowed is read', async () => {
  const { issuer } = liar
  const metadata = JSON.stringify({
    ...{ issuer, authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token` },
    jwks_uri: `${issuer}/keys`,
  })
  liar.lies = discovery((response) => void json(response, metadata.padEnd(BYTES_MAX)))
  const url = await create().authorizationUrl(request)
  expect(url.href.startsWith(`${issuer}/auth?`)).toBe(true)
})

test('a provider that fails is asked again after five seconds, and one that responds after an hour', async () => {
  let ms = 0
  const provider = create({ now: () => ms })
  const count = () => liar.requests.discovery ?? 0
  const before = count()
  liar.lies = discovery((response) => response.writeHead(503).end())
  const attempt = () =>
    provider.authorizationUrl(request).then(
      () => 'ok',
      () => 'failed',
    )
  expect(await Promise.all([attempt(), attempt(), attempt()])).toEqual(Array(3).fill('failed'))
  expect(count()).toBe(before + 1)
  liar.lies = {}
  ms = 4_999
  expect(await attempt()).toBe('failed')
  ms = 5_000
  expect(await Promise.all([attempt(), attempt()])).toEqual(['ok', 'ok'])
  ms += 3_599_999
  expect(await attempt()).toBe('ok')
  expect(count()).toBe(before + 2)
  ms += 1
  expect(await attempt()).toBe('ok')
  expect(count()).toBe(before + 3)
})

test('to sign in again, a provider asks for the credentials, and Google for the account', async () => {
  const again = await create().authorizationUrl({ ...request, again: true })
  expect(again.searchParams.get('prompt')).toBe('login')
  expect(again.searchParams.get('max_age')).toBe('0')
  expect((await create().authorizationUrl(request)).searchParams.has('prompt')).toBe(false)
})

test('an issuer with HTTPS is never asked without', async () => {
  const issuer = liar.issuer.replace('http:', 'https:')
  await expect(create({ issuer }).authorizationUrl(request)).rejects.toThrow('discovery')
})

test('a provider has five seconds, and 256 KiB', () => {
  expect(PROVIDER_LIMITS).toEqual({ msMax: 5_000, bytesMax: 262_144 })
})
