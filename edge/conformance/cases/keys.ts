import { type Case, EVENT } from './case.ts'

const hour = 3_600_000
const bare = (key: string) => ({ headers: { 'x-api-key': key } })

const auth = (authorization: string) => ({ headers: { authorization } })
/** Header values are bytes; this encodes UTF-8 into them. */
const utf8 = (text: string) => Buffer.from(text, 'utf8').toString('latin1')

/** Authentication: where the key may be, and what it may do. */
export const KEYS: readonly Case[] = [
  { title: 'no key', key: null, body: EVENT, status: 401, code: 'KEY_MISSING' },
  {
    title: 'another scheme than Bearer or Basic',
    key: null,
    headers: { authorization: 'Digest abc' },
    body: EVENT,
    status: 401,
    code: 'KEY_MISSING',
    responseHeaders: { 'www-authenticate': 'Bearer realm="sluice"' },
  },
  ...[
    ['a key of another form', 'Bearer sk_live_123'],
    ['a key with a wrong checksum', 'Bearer slc_sec_0000000000000000000000000000004K8ygh'],
    ['a key that does not exist', 'Bearer slc_sec_0000000000000000000000000000004K8ygg'],
    [
      'a key that does not exist, as Basic',
      `Basic ${btoa('slc_sec_0000000000000000000000000000004K8ygg:')}`,
    ],
    ['Basic with invalid base64', 'Basic ###'],
  ].map(
    ([title, authorization]): Case => ({
      title: title as string,
      key: null,
      headers: { authorization: authorization as string },
      body: EVENT,
      status: 401,
      code: 'KEY_UNKNOWN',
      responseHeaders: { 'www-authenticate': 'Bearer realm="sluice"' },
    }),
  ),
  {
    title: 'a revoked key',
    key: { revoked_at: new Date(Date.now() - hour).toISOString() },
    body: EVENT,
    status: 401,
    code: 'KEY_UNKNOWN',
  },
  {
    title: 'an expired key',
    key: { expires_at: new Date(Date.now() - hour).toISOString() },
    body: EVENT,
    status: 401,
    code: 'KEY_UNKNOWN',
  },
  {
    title: 'a key that will expire',
    key: { expires_at: new Date(Date.now() + hour).toISOString() },
    body: EVENT,
    status: 202,
  },
  { title: 'X-API-Key', keyAs: bare, body: EVENT, status: 202 },
  {
    title: 'Basic, the key as user',
    keyAs: (key) => ({ headers: { authorization: `Basic ${btoa(`${key}:`)}` } }),
    body: EVENT,
    status: 202,
  },
  {
    title: 'bearer in lower case',
    keyAs: (key) => ({ headers: { authorization: `bearer ${key}` } }),
    body: EVENT,
    status: 202,
  },
  {
    title: '?key= with a public key, as sendBeacon sends it',
    key: { kind: 'pub' },
    keyAs: (key) => ({
      path: `/v1/events?key=${key}`,
      headers: { 'content-type': 'text/plain;charset=UTF-8' },
    }),
    body: EVENT,
    status: 202,
  },
  {
    title: '?key= with a secret key',
    keyAs: (key) => ({ path: `/v1/events?key=${key}` }),
    body: EVENT,
    status: 401,
    code: 'KEY_UNKNOWN',
  },
  {
    title: 'a key without the ingest scope',
    key: { scopes: ['read', 'admin'] },
    body: EVENT,
    status: 403,
    code: 'SCOPE_MISSING',
  },
  {
    title: 'an origin that the key does not allow',
    key: { origins: ['https://shop.example'] },
    headers: { origin: 'https://evil.example' },
    body: EVENT,
    status: 403,
    code: 'ORIGIN_NOT_ALLOWED',
  },
  {
    title: 'the origin "null"',
    key: { origins: ['https://shop.example'] },
    headers: { origin: 'null' },
    body: EVENT,
    status: 403,
    code: 'ORIGIN_NOT_ALLOWED',
  },
  {
    title: 'an origin that the key allows',
    key: { origins: ['https://other.example', 'https://shop.example'] },
    headers: { origin: 'https://shop.example' },
    body: EVENT,
    status: 202,
    responseHeaders: {
      'access-control-allow-origin': 'https://shop.example',
      'access-control-expose-headers': /x-request-id/,
      vary: 'origin',
    },
  },
  {
    title: 'a server with a key that is limited to origins',
    key: { origins: ['https://shop.example'] },
    body: EVENT,
    status: 202,
  },
  {
    title: '?historical=true with a key that does not allow it',
    path: '/v1/events?historical=true',
    body: EVENT,
    status: 403,
    code: 'HISTORICAL_NOT_ALLOWED',
  },
  {
    title: '?historical=true with a key that allows it',
    path: '/v1/events?historical=true',
    key: { may_import_history: true },
    body: '{"event":"old","timestamp":0}',
    status: 202,
  },
  { title: '?historical=false', path: '/v1/events?historical=false', body: EVENT, status: 202 },
  ...['historical=1', 'historical=', 'historical=TRUE', 'historical=true&historical=false'].map(
    (query): Case => ({
      title: `?${query}`,
      path: `/v1/events?${query}`,
      key: { may_import_history: true },
      body: EVENT,
      status: 400,
      code: 'INVALID_QUERY',
    }),
  ),

  // Where the key may be
  ...(
    [
      ['BEARER in capitals', (key: string) => auth(`BEARER ${key}`), 202],
      ['Bearer and three spaces', (key: string) => auth(`Bearer   ${key}`), 202],
      ['spaces around the header', (key: string) => auth(`  Bearer ${key}  `), 202],
      ['X-API-Key among spaces', (key: string) => ({ headers: { 'x-api-key': `  ${key} ` } }), 202],
      ['Basic with a password', (key: string) => auth(`Basic ${btoa(`${key}:secret`)}`), 202],
      ['Basic without a colon', (key: string) => auth(`Basic ${btoa(key)}`), 202],
      ['basic in small letters', (key: string) => auth(`basic ${btoa(`${key}:`)}`), 202],
      [
        'X-API-Key after an unknown scheme',
        (key: string) => ({ headers: { authorization: 'Digest abc', 'x-api-key': key } }),
        202,
      ],
      [
        'an empty Authorization and X-API-Key',
        (key: string) => ({ headers: { authorization: '', 'x-api-key': key } }),
        202,
      ],
      [
        'the same key in both places',
        (key: string) => ({ headers: { authorization: `Bearer ${key}`, 'x-api-key': key } }),
        202,
      ],
      [
        'a key in the header, another in the query',
        (key: string) => ({
          headers: { authorization: `Bearer ${key}` },
          path: '/v1/events?key=slc_pub_x',
        }),
        202,
      ],
      [
        'an invalid Authorization before a valid X-API-Key',
        (key: string) => ({ headers: { authorization: 'Bearer slc_sec_x', 'x-api-key': key } }),
        'KEY_UNKNOWN',
      ],
      [
        'the key as password of Basic',
        (key: string) => auth(`Basic ${btoa(`user:${key}`)}`),
        'KEY_UNKNOWN',
      ],
      [
        'the key as password alone',
        (key: string) => auth(`Basic ${btoa(`:${key}`)}`),
        'KEY_MISSING',
      ],
      [
        'Basic with a space in it',
        (key: string) => auth(`Basic ${btoa(`${key}:`)} x`),
        'KEY_MISSING',
      ],
      ['Bearer without a space', (key: string) => auth(`Bearer${key}`), 'KEY_MISSING'],
      ['Bearer with a colon', (key: string) => auth(`Bearer: ${key}`), 'KEY_MISSING'],
      ['Bearer with two keys', (key: string) => auth(`Bearer ${key} ${key}`), 'KEY_MISSING'],
      ['Bearer with a comma', (key: string) => auth(`Bearer ${key},`), 'KEY_UNKNOWN'],
      ['Bearer in quotes', (key: string) => auth(`Bearer "${key}"`), 'KEY_UNKNOWN'],
      ['Bearer alone', () => auth('Bearer'), 'KEY_MISSING'],
      ['Bearer and spaces alone', () => auth('Bearer    '), 'KEY_MISSING'],
      ['a key without a scheme', (key: string) => auth(key), 'KEY_MISSING'],
      ['Token', (key: string) => auth(`Token ${key}`), 'KEY_MISSING'],
      ['a key in capitals', (key: string) => auth(`Bearer ${key.toUpperCase()}`), 'KEY_UNKNOWN'],
      [
        'a key in small letters',
        (key: string) => auth(`Bearer ${key.toLowerCase()}x`),
        'KEY_UNKNOWN',
      ],
      ['a key cut short', (key: string) => auth(`Bearer ${key.slice(0, -1)}`), 'KEY_UNKNOWN'],
      ['a key with one more letter', (key: string) => auth(`Bearer ${key}a`), 'KEY_UNKNOWN'],
      [
        'a key with another kind',
        (key: string) => auth(`Bearer ${key.replace('_sec_', '_adm_')}`),
        'KEY_UNKNOWN',
      ],
      [
        'a key with a Cyrillic letter',
        (key: string) => auth(`Bearer ${utf8(key.replace('c', 'с'))}`),
        'KEY_UNKNOWN',
      ],
      [
        'a key with a zero-width space',
        (key: string) => auth(`Bearer ${utf8(`${key}\u200b`)}`),
        'KEY_UNKNOWN',
      ],
      [
        'a percent-encoded key',
        (key: string) => auth(`Bearer ${key.replace('_', '%5F')}`),
        'KEY_UNKNOWN',
      ],
      ['a key of 7,000 letters', () => auth(`Bearer slc_sec_${'x'.repeat(7_000)}`), 'KEY_UNKNOWN'],
      ['__proto__ instead of a key', () => auth('Bearer __proto__'), 'KEY_UNKNOWN'],
      ['an empty X-API-Key', () => ({ headers: { 'x-api-key': ' ' } }), 'KEY_MISSING'],
      [
        'X-API-Key with Bearer',
        (key: string) => ({ headers: { 'x-api-key': `Bearer ${key}` } }),
        'KEY_UNKNOWN',
      ],
      [
        'a cookie',
        (key: string) => ({ headers: { cookie: `key=${key}; authorization=${key}` } }),
        'KEY_MISSING',
      ],
      [
        'Proxy-Authorization',
        (key: string) => ({ headers: { 'proxy-authorization': `Bearer ${key}` } }),
        'KEY_MISSING',
      ],
      ['?api_key=', (key: string) => ({ path: `/v1/events?api_key=${key}` }), 'KEY_MISSING'],
      ['?KEY=', (key: string) => ({ path: `/v1/events?KEY=${key}` }), 'KEY_MISSING'],
      ['?key= with nothing', () => ({ path: '/v1/events?key=' }), 'KEY_MISSING'],
      ['?key', () => ({ path: '/v1/events?key' }), 'KEY_MISSING'],
    ] as const
  ).map(
    ([title, keyAs, outcome]): Case => ({
      title: `the key: ${title}`,
      keyAs,
      body: EVENT,
      ...(outcome === 202 ? { status: 202 } : { status: 401, code: outcome }),
    }),
  ),
  ...(
    [
      ['twice with the valid key first', (key: string) => `key=${key}&key=slc_pub_x`, 202],
      ['twice with the valid key second', (key: string) => `key=slc_pub_x&key=${key}`, 401],
      ['percent-encoded', (key: string) => `key=${key.replaceAll('_', '%5f')}`, 202],
      ['with a space before it', (key: string) => `key=%20${key}`, 401],
      ['with a trailing plus', (key: string) => `key=${key}+`, 401],
      ['among other parameters', (key: string) => `a=1&&=&key=${key}&%zz`, 202],
    ] as const
  ).map(
    ([title, query, status]): Case => ({
      title: `?key= ${title}`,
      key: { kind: 'pub' },
      keyAs: (key) => ({ path: `/v1/events?${query(key)}` }),
      body: EVENT,
      status,
      code: status === 401 ? 'KEY_UNKNOWN' : undefined,
    }),
  ),
  ...['https://SHOP.example', 'https://shop.example', ''].map(
    (origin): Case => ({
      title: `the origin "${origin}" of a key for https://Shop.example`,
      key: { origins: ['https://Shop.example'] },
      headers: { origin },
      body: EVENT,
      status: 202,
    }),
  ),
  ...[
    'http://shop.example',
    'https://shop.example:8443',
    'https://shop.example.evil.example',
    'https://evil.example/https://shop.example',
    'https://shop.example, https://evil.example',
    'shop.example',
  ].map(
    (origin): Case => ({
      title: `the origin ${origin} of a key for https://shop.example`,
      key: { origins: ['https://shop.example'] },
      headers: { origin },
      body: EVENT,
      status: 403,
      code: 'ORIGIN_NOT_ALLOWED',
    }),
  ),
]
