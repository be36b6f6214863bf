import { type Case, EVENT } from './case.ts'

const hour = 3_600_000
const bare = (key: string) => ({ headers: { 'x-api-key': key } })

/** Who is this? */
export const KEYS: readonly Case[] = [
  { says: 'no key', key: null, body: EVENT, status: 401, code: 'KEY_MISSING' },
  {
    says: 'another scheme than Bearer or Basic',
    key: null,
    headers: { authorization: 'Digest abc' },
    body: EVENT,
    status: 401,
    code: 'KEY_MISSING',
    answers: { 'www-authenticate': 'Bearer realm="sluice"' },
  },
  ...[
    ['a key of another form', 'Bearer sk_live_123'],
    ['a key with a wrong checksum', 'Bearer slc_sec_0000000000000000000000000000004K8ygh'],
    ['a key that nobody made', 'Bearer slc_sec_0000000000000000000000000000004K8ygg'],
    [
      'a key that nobody made, as Basic',
      `Basic ${btoa('slc_sec_0000000000000000000000000000004K8ygg:')}`,
    ],
    ['Basic that is no base64', 'Basic ###'],
  ].map(
    ([says, authorization]): Case => ({
      says: says as string,
      key: null,
      headers: { authorization: authorization as string },
      body: EVENT,
      status: 401,
      code: 'KEY_UNKNOWN',
      answers: { 'www-authenticate': 'Bearer realm="sluice"' },
    }),
  ),
  {
    says: 'a revoked key',
    key: { revoked_at: new Date(Date.now() - hour).toISOString() },
    body: EVENT,
    status: 401,
    code: 'KEY_UNKNOWN',
  },
  {
    says: 'an expired key',
    key: { expires_at: new Date(Date.now() - hour).toISOString() },
    body: EVENT,
    status: 401,
    code: 'KEY_UNKNOWN',
  },
  {
    says: 'a key that will expire',
    key: { expires_at: new Date(Date.now() + hour).toISOString() },
    body: EVENT,
    status: 202,
  },
  { says: 'X-API-Key', keyAs: bare, body: EVENT, status: 202 },
  {
    says: 'Basic, the key as user',
    keyAs: (key) => ({ headers: { authorization: `Basic ${btoa(`${key}:`)}` } }),
    body: EVENT,
    status: 202,
  },
  {
    says: 'bearer in lower case',
    keyAs: (key) => ({ headers: { authorization: `bearer ${key}` } }),
    body: EVENT,
    status: 202,
  },
  {
    says: '?key= with a public key, as sendBeacon has it',
    key: { kind: 'pub' },
    keyAs: (key) => ({
      path: `/v1/events?key=${key}`,
      headers: { 'content-type': 'text/plain;charset=UTF-8' },
    }),
    body: EVENT,
    status: 202,
  },
  {
    says: '?key= with a secret key',
    keyAs: (key) => ({ path: `/v1/events?key=${key}` }),
    body: EVENT,
    status: 401,
    code: 'KEY_UNKNOWN',
  },
  {
    says: 'a key that may only read',
    key: { scopes: ['read', 'admin'] },
    body: EVENT,
    status: 403,
    code: 'SCOPE_MISSING',
  },
  {
    says: 'a page that the key is not for',
    key: { origins: ['https://shop.example'] },
    headers: { origin: 'https://evil.example' },
    body: EVENT,
    status: 403,
    code: 'ORIGIN_NOT_ALLOWED',
  },
  {
    says: 'a page without an origin of its own',
    key: { origins: ['https://shop.example'] },
    headers: { origin: 'null' },
    body: EVENT,
    status: 403,
    code: 'ORIGIN_NOT_ALLOWED',
  },
  {
    says: 'the page that the key is for',
    key: { origins: ['https://other.example', 'https://shop.example'] },
    headers: { origin: 'https://shop.example' },
    body: EVENT,
    status: 202,
    answers: {
      'access-control-allow-origin': 'https://shop.example',
      'access-control-expose-headers': /x-request-id/,
      vary: 'origin',
    },
  },
  {
    says: 'a server with a key for a page',
    key: { origins: ['https://shop.example'] },
    body: EVENT,
    status: 202,
  },
  {
    says: 'historical with a key that may not',
    path: '/v1/events?historical=true',
    body: EVENT,
    status: 403,
    code: 'HISTORICAL_NOT_ALLOWED',
  },
  {
    says: 'historical with a key that may',
    path: '/v1/events?historical=true',
    key: { may_import_history: true },
    body: '{"event":"old","timestamp":0}',
    status: 202,
  },
  { says: 'not historical', path: '/v1/events?historical=false', body: EVENT, status: 202 },
  ...['historical=1', 'historical=', 'historical=TRUE', 'historical=true&historical=false'].map(
    (query): Case => ({
      says: `?${query}`,
      path: `/v1/events?${query}`,
      key: { may_import_history: true },
      body: EVENT,
      status: 400,
      code: 'INVALID_QUERY',
    }),
  ),
]
