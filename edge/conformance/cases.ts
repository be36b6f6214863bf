import { deflateSync, gzipSync } from 'node:zlib'
import type { KeyRecord } from '../../contract/api-key.ts'
import type { RefusalCode } from '../../contract/refusals.ts'
import type { Sent } from '../testing/send.ts'

/** One request, and what it must be answered with: in every runtime the same. */
export interface Case extends Sent {
  says: string
  /** What kind of key it carries; `null`: none. As `Authorization: Bearer` unless `keyAs` says where. */
  key?: Partial<KeyRecord> | null
  keyAs?: (key: string) => { headers?: Record<string, string>; path?: string }
  status: number
  code?: RefusalCode
  /** Headers of the answer that must be there, with these values. */
  answers?: Record<string, string | RegExp>
  /** `index pointer CODE`, for each. */
  errors?: string[]
}

const EVENT = '{"event":"page_view"}'
const JSON_TYPE = { 'content-type': 'application/json' }
const hour = 3_600_000
const bare = (key: string) => ({ headers: { 'x-api-key': key } })
const batch = (count: number) => `[${Array(count).fill(EVENT).join(',')}]`
/** `size` bytes of valid JSON. */
const sized = (size: number) => `[{"event":"a","x":1}${' '.repeat(size - 21)}]`

export const CASES: readonly Case[] = [
  // Routes
  ...['/v1/events', '/ingest', '/events', '/api/v1/events', '/api/v1/events/batch'].flatMap(
    (path): Case[] => [
      { says: `POST ${path}`, path, body: EVENT, status: 202 },
      {
        says: `GET ${path}`,
        method: 'GET',
        path,
        status: 405,
        code: 'METHOD_NOT_ALLOWED',
        answers: { allow: 'POST, OPTIONS' },
      },
      {
        says: `OPTIONS ${path}`,
        method: 'OPTIONS',
        path,
        key: null,
        headers: { origin: 'https://shop.example', 'access-control-request-method': 'POST' },
        status: 204,
        answers: {
          allow: 'POST, OPTIONS',
          'access-control-allow-methods': 'POST, OPTIONS',
          'access-control-allow-headers': /authorization.*idempotency-key.*x-api-key/,
          'access-control-max-age': '86400',
        },
      },
    ],
  ),
  ...['PUT', 'DELETE', 'PATCH', 'PROPFIND'].map(
    (method): Case => ({
      says: `${method} is no way to send events`,
      method,
      body: EVENT,
      status: 405,
      code: 'METHOD_NOT_ALLOWED',
      answers: { allow: 'POST, OPTIONS' },
    }),
  ),
  { says: 'HEAD gets the status without a body', method: 'HEAD', status: 405 },
  { says: 'GET /healthz', method: 'GET', path: '/healthz', key: null, status: 200 },
  {
    says: 'POST /healthz',
    path: '/healthz',
    status: 405,
    code: 'METHOD_NOT_ALLOWED',
    answers: { allow: 'GET, HEAD, OPTIONS' },
  },
  ...['/', '/v1', '/v1/events/', '/v2/events', '/V1/EVENTS', '/v1/events%2f', '/%00', '/..'].map(
    (path): Case => ({
      says: `nothing is at ${path}`,
      path,
      body: EVENT,
      status: 404,
      code: 'NOT_FOUND',
    }),
  ),

  // Who is this?
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

  // Is this a body?
  { says: 'no body at all', headers: JSON_TYPE, status: 400, code: 'INVALID_JSON' },
  { says: 'an empty body', body: '', status: 400, code: 'INVALID_JSON' },
  { says: 'broken JSON', body: '{"event":', status: 400, code: 'INVALID_JSON' },
  { says: 'JSON with a comma too many', body: '{"event":"a",}', status: 400, code: 'INVALID_JSON' },
  { says: 'JSON after a byte order mark', body: `\ufeff${EVENT}`, status: 202 },
  ...[
    ['a byte that UTF-8 has not', [0xff]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['half a surrogate pair', [0xed, 0xa0, 0x80]],
    ['a character cut in two', [0xe2, 0x82]],
    ['a character beyond Unicode', [0xf4, 0x90, 0x80, 0x80]],
  ].map(
    ([says, bytes]): Case => ({
      says: `invalid UTF-8: ${says}`,
      body: Buffer.concat([
        Buffer.from('{"event":"a'),
        Buffer.from(bytes as number[]),
        Buffer.from('"}'),
      ]),
      status: 400,
      code: 'INVALID_UTF8',
    }),
  ),
  { says: 'UTF-16', body: Buffer.from(EVENT, 'utf16le'), status: 400, code: 'INVALID_JSON' },
  ...[
    'application/xml',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'json',
    'application/x-ndjson',
    'application/json; charset=latin1',
  ].map(
    (type): Case => ({
      says: `a body of type ${type}`,
      headers: { 'content-type': type },
      body: EVENT,
      status: 415,
      code: 'MEDIA_TYPE_UNSUPPORTED',
      answers: { 'accept-post': 'application/json' },
    }),
  ),
  ...['application/json; charset=UTF-8', 'Application/JSON', 'text/plain'].map(
    (type): Case => ({
      says: `a body of type ${type}`,
      headers: { 'content-type': type },
      body: EVENT,
      status: 202,
    }),
  ),
  { says: 'a chunked body', body: EVENT, chunked: true, status: 202 },
  { says: 'exactly 1 MiB', body: sized(1024 * 1024), status: 202 },
  { says: 'exactly 1 MiB, chunked', body: sized(1024 * 1024), chunked: true, status: 202 },
  {
    says: 'one byte more than 1 MiB',
    body: sized(1024 * 1024 + 1),
    status: 413,
    code: 'BODY_TOO_LARGE',
  },
  {
    says: 'one byte more than 1 MiB, chunked without a length',
    body: sized(1024 * 1024 + 1),
    chunked: true,
    status: 413,
    code: 'BODY_TOO_LARGE',
  },
  ...[
    ['gzip', gzipSync(EVENT)],
    ['x-gzip', gzipSync(EVENT)],
    ['deflate', deflateSync(EVENT)],
    ['identity', EVENT],
    ['GZIP', gzipSync(EVENT)],
  ].map(
    ([encoding, body]): Case => ({
      says: `Content-Encoding ${encoding}`,
      headers: { 'content-encoding': encoding as string },
      body: body as Uint8Array,
      status: 202,
    }),
  ),
  {
    says: 'gzip, chunked',
    headers: { 'content-encoding': 'gzip' },
    body: gzipSync(batch(1000)),
    chunked: true,
    status: 202,
  },
  ...['br', 'zstd', 'gzip, gzip', 'compress', 'nonsense'].map(
    (encoding): Case => ({
      says: `Content-Encoding ${encoding}`,
      headers: { 'content-encoding': encoding },
      body: EVENT,
      status: 415,
      code: 'ENCODING_UNSUPPORTED',
      answers: { 'accept-encoding': 'gzip, deflate' },
    }),
  ),
  ...(
    [
      ['that is none', 'gzip', Buffer.from(EVENT)],
      ['that ends too early', 'gzip', gzipSync(EVENT).subarray(0, 20)],
      ['without its sum', 'gzip', gzipSync(EVENT).subarray(0, -8)],
      ['with junk behind it', 'gzip', Buffer.concat([gzipSync(EVENT), Buffer.from('junk')])],
      ['of nothing', 'gzip', Buffer.alloc(0)],
      ['that is gzip', 'deflate', gzipSync(EVENT)],
    ] as const
  ).map(
    ([says, encoding, body]): Case => ({
      says: `${encoding} ${says}`,
      headers: { 'content-encoding': encoding },
      body,
      status: 400,
      code: 'INVALID_ENCODING',
    }),
  ),
  {
    says: 'a gzip bomb of 200 MiB',
    headers: { 'content-encoding': 'gzip' },
    body: gzipSync(Buffer.alloc(200 * 1024 * 1024)),
    status: 413,
    code: 'BODY_TOO_LARGE',
  },
  {
    says: 'a gzip bomb of 200 MiB, chunked',
    headers: { 'content-encoding': 'gzip' },
    body: gzipSync(Buffer.alloc(200 * 1024 * 1024)),
    chunked: true,
    status: 413,
    code: 'BODY_TOO_LARGE',
  },

  // How many?
  { says: '1,000 events', body: batch(1000), status: 202 },
  { says: '1,001 events', body: batch(1001), status: 422, code: 'BATCH_TOO_LARGE' },
  { says: 'no event', body: '[]', status: 422, code: 'BATCH_EMPTY' },
  {
    says: 'a partial batch: the good ones are taken, the others named',
    body: '[{"event":"a"},{"event":""},{"event":"b","timestamp":"now"},7]',
    status: 202,
    errors: ['1 /event NAME_INVALID', '2 /timestamp OCCURRED_AT_INVALID', '3  EVENT_NOT_OBJECT'],
  },
  {
    says: 'a batch without one good event',
    body: '{"events":[{},[]]}',
    status: 422,
    code: 'EVENTS_INVALID',
    errors: ['0 /name NAME_MISSING', '1  EVENT_NOT_OBJECT'],
  },
  {
    says: 'one event that is too large',
    body: `{"event":"a","x":"${'x'.repeat(70_000)}"}`,
    status: 413,
    code: 'EVENT_TOO_LARGE',
    errors: ['0  EVENT_TOO_LARGE'],
  },
  {
    says: 'one event that is too large, among others',
    body: `[{"event":"a","x":"${'x'.repeat(70_000)}"},{"event":"b"}]`,
    status: 202,
    errors: ['0  EVENT_TOO_LARGE'],
  },
  {
    says: 'a batch larger than the limit ever admits',
    key: { key_events_per_minute: 10 },
    body: batch(11),
    status: 422,
    code: 'BATCH_OVER_LIMIT',
  },
  ...['', '"', '""', 'a b', 'ä', 'x'.repeat(256), '"a', 'a, b'].map(
    (key): Case => ({
      says: `an Idempotency-Key of ${key.slice(0, 10)}`,
      headers: { 'idempotency-key': Buffer.from(key, 'utf8').toString('latin1') },
      body: EVENT,
      status: 400,
      code: 'IDEMPOTENCY_KEY_INVALID',
    }),
  ),
]
