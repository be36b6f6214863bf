import { head } from '../testing/socket.ts'

/**
 * Bytes on the wire, and what is heard: statuses, each with its code where the edge itself spoke; ''
 * where the connection was closed without a word. Before the routes each runtime's own HTTP server
 * answers, so these may differ; what may not: a 202 for each record in the log and no other.
 */
export interface WireCase {
  says: string
  bytes: (key: string) => string
  /** In every runtime the same, or in workerd, Deno and Node. */
  hears: string | readonly [workerd: string, deno: string, node: string]
  /** The client closes its side at once: what it announced will never come. */
  leaves?: true
}

const EVENT = '{"event":"a"}'
const LENGTH = `Content-Length: ${EVENT.length}`
const CHUNKED = 'Transfer-Encoding: chunked'
const INCOMPLETE = '400 BODY_INCOMPLETE'

/** One whole request with these header lines in place of its length. */
const lines = (...sent: string[]) => ({ bytes: (key: string) => head(key, ...sent) + EVENT })
const chunks = (body: string, ...sent: string[]) => ({
  bytes: (key: string) => head(key, ...sent, CHUNKED) + body,
})
/** One whole request whose head was changed. */
const changed = (from: string | RegExp, to: string) => ({
  bytes: (key: string) => head(key, LENGTH).replace(from, to) + EVENT,
})
/** A whole one follows, to be seen only by a server that was taken in. */
const smuggling = (body: string, ...sent: string[]) => ({
  bytes: (key: string) => head(key, ...sent) + body + head(key, LENGTH) + EVENT,
})
const one = `d\r\n${EVENT}\r\n0\r\n\r\n`
const path = (to: string) => changed('/v1/events', to)
const many = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: b`)

export const WIRE: readonly WireCase[] = [
  { says: 'a plain request', ...lines(LENGTH), hears: '202' },

  // Where does the body end?
  ...[
    ['+13', 'a length with a sign'],
    ['-1', 'a length below zero'],
    ['0x0d', 'a length in hex'],
    ['13.0', 'a length with a fraction'],
    ['1e1', 'a length with an exponent'],
    ['1 3', 'a length with a space inside'],
    ['13, 13', 'a list of lengths'],
    ['', 'a length that is empty'],
    ['99999999999999999999999', 'a length that nothing can hold'],
  ].map(
    ([length, says]): WireCase => ({
      says: says as string,
      ...lines(`Content-Length: ${length}`),
      hears: '400',
    }),
  ),
  { says: 'a length with leading zeros', ...lines('Content-Length: 013'), hears: '202' },
  { says: 'a length among tabs', ...lines('Content-Length:\t13\t'), hears: '202' },
  { says: 'a space before the colon', ...lines('Content-Length : 13'), hears: '400' },
  {
    says: 'the same length twice',
    ...lines(LENGTH, LENGTH),
    hears: ['202', '202', '400'],
  },
  { says: 'two lengths', ...lines(LENGTH, 'Content-Length: 5'), hears: '400' },
  {
    says: 'a length and chunks: whoever goes by the chunks closes behind them',
    ...smuggling(one, LENGTH, CHUNKED),
    hears: ['202', '400', '400'],
  },
  {
    says: 'chunks and a length that covers the next request',
    ...smuggling('0\r\n\r\n', CHUNKED, 'Content-Length: 5'),
    hears: ['400 INVALID_JSON', '400', '400'],
  },
  {
    says: 'a length that is too short, and junk behind it',
    bytes: (key) => `${head(key, LENGTH)}${EVENT}junk\r\n\r\n`,
    hears: ['202 400', '202 400', '202'],
  },
  {
    says: 'a length in the middle of the JSON',
    ...lines('Content-Length: 5'),
    hears: ['400 INVALID_JSON 400', '400 INVALID_JSON', '400 INVALID_JSON'],
  },
  {
    says: 'a length that is too long',
    ...lines('Content-Length: 50'),
    hears: [INCOMPLETE, INCOMPLETE, '400'],
    leaves: true,
  },
  {
    says: 'neither a length nor chunks: there is no body',
    bytes: (key) => head(key),
    hears: '400 INVALID_JSON',
  },
  ...[
    ['xchunked', 'a coding that is nearly chunked'],
    ['chunked, identity', 'chunks that are not the last coding'],
    ['\vchunked', 'a vertical tab before chunked'],
  ].map(
    ([coding, says]): WireCase => ({
      says: says as string,
      bytes: (key) => head(key, `Transfer-Encoding: ${coding}`) + one,
      hears: '400',
    }),
  ),
  { says: 'the coding identity', ...lines('Transfer-Encoding: identity', LENGTH), hears: '400' },
  {
    says: 'a space before the colon of the coding',
    bytes: (key) => head(key, 'Transfer-Encoding : chunked') + one,
    hears: '400',
  },
  { says: 'chunked twice', ...chunks(one, CHUNKED), hears: ['202', '400', '400'] },
  {
    says: 'Chunked, with a capital',
    bytes: (key) => head(key, 'Transfer-Encoding: Chunked') + one,
    hears: '202',
  },

  // Chunks
  { says: 'an extension of a chunk', ...chunks(one.replace('d', 'd;a=b')), hears: '202' },
  { says: 'a quoted extension', ...chunks(one.replace('d', 'd;a="b;c"')), hears: '202' },
  {
    says: 'an extension of 20 kB',
    ...chunks(one.replace('d', `d;a=${'x'.repeat(20_000)}`)),
    hears: [INCOMPLETE, INCOMPLETE, '413'],
  },
  { says: 'a size in capitals', ...chunks(one.replace('d', 'D')), hears: '202' },
  { says: 'a size with leading zeros', ...chunks(one.replace('d', '000d')), hears: '202' },
  { says: 'a size with a space', ...chunks(one.replace('d', 'd ')), hears: ['202', '202', '400'] },
  ...[
    ['0xd', 'a size with 0x'],
    ['-d', 'a size below zero'],
    ['g', 'a size that is no number'],
    ['', 'no size at all'],
    ['5', 'a size that is too small'],
    ['fffffffffffffffffff', 'a size that nothing can hold'],
    ['1000000000000000d', 'a size that 64 bits cannot hold'],
  ].map(
    ([size, says]): WireCase => ({
      says: says as string,
      ...chunks(one.replace('d', size as string)),
      // Deno closes; Node's own server says 400.
      hears: [INCOMPLETE, '', '400'],
    }),
  ),
  {
    says: 'chunks that end in bare LF',
    ...chunks(one.replaceAll('\r\n', '\n')),
    hears: [INCOMPLETE, INCOMPLETE, '400'],
    leaves: true,
  },
  { says: 'trailers', ...chunks(one.replace(/\r\n$/, 'X-A: b\r\n\r\n')), hears: '202' },
  {
    says: 'a key among the trailers counts for nothing',
    bytes: () =>
      `${head('', CHUNKED)}${one.replace(/\r\n$/, 'X-API-Key: slc_sec_0000000000000000000000000000004K8ygg\r\n\r\n')}`,
    hears: '401 KEY_MISSING',
  },
  {
    says: 'a length among the trailers',
    ...chunks(one.replace(/\r\n$/, 'Content-Length: 3\r\n\r\n')),
    hears: ['202', '202', '400'],
  },
  {
    says: 'chunks that never end',
    ...chunks(`d\r\n${EVENT}\r\n`),
    hears: [INCOMPLETE, INCOMPLETE, '400'],
    leaves: true,
  },

  // Heads
  { says: 'a line that goes on (obs-fold)', ...lines('X-A: b', ' c', LENGTH), hears: '400' },
  {
    says: 'a key on a line that goes on',
    ...changed('Bearer ', 'Bearer\r\n '),
    hears: '400',
  },
  {
    says: 'bare LF',
    bytes: (key) => head(key, LENGTH).replaceAll('\r\n', '\n') + EVENT,
    hears: ['202', '202', '400'],
  },
  { says: 'a bare CR', ...lines('X-A: b\rc', LENGTH), hears: '400' },
  { says: 'NUL', ...lines('X-A: b\0c', LENGTH), hears: '400' },
  { says: 'a line without a colon', ...lines('nonsense', LENGTH), hears: '400' },
  { says: 'a space in front of the first line', ...changed('Host', ' Host'), hears: '400' },
  { says: 'a name with parentheses', ...lines('X(A): b', LENGTH), hears: '400' },
  { says: 'an empty name', ...lines(': b', LENGTH), hears: '400' },
  { says: 'UTF-8 in a header that nobody reads', ...lines('X-A: ä', LENGTH), hears: '202' },
  {
    says: 'empty lines before the request',
    bytes: (key) => `\r\n\r\n${head(key, LENGTH)}${EVENT}`,
    hears: '202',
  },
  { says: 'a head of 20 kB', ...lines(`X-A: ${'a'.repeat(20_000)}`, LENGTH), hears: '202' },
  {
    says: 'a head of 300 kB',
    ...lines(`X-A: ${'a'.repeat(300_000)}`, LENGTH),
    hears: ['202', '400', '431'],
  },
  { says: '80 headers', ...lines(...many(80), LENGTH), hears: '202' },
  { says: '3,000 headers', ...lines(...many(3_000), LENGTH), hears: ['202', '400', '431'] },
  { says: 'Expect: 100-continue', ...lines(LENGTH, 'Expect: 100-continue'), hears: '100 202' },
  { says: 'another expectation', ...lines(LENGTH, 'Expect: tea'), hears: ['202', '202', '417'] },
  {
    says: 'an upgrade that nobody offers',
    ...lines(LENGTH, 'Connection: Upgrade', 'Upgrade: websocket'),
    hears: ['202', '400', '202'],
  },

  // Request lines
  { says: 'HTTP/1.0', ...changed('HTTP/1.1', 'HTTP/1.0'), hears: '202' },
  { says: 'HTTP/2.0', ...changed('HTTP/1.1', 'HTTP/2.0'), hears: ['400', '400', '202'] },
  { says: 'HTTP/1.2', ...changed('HTTP/1.1', 'HTTP/1.2'), hears: '400' },
  { says: 'http/1.1', ...changed('HTTP/1.1', 'http/1.1'), hears: '400' },
  { says: 'no version', bytes: () => 'GET /healthz\r\n\r\n', hears: '400' },
  { says: 'TLS', bytes: () => '\x16\x03\x01\x02\x00\x01\x00\r\n\r\n', hears: '400' },
  {
    says: 'the preface of HTTP/2',
    bytes: () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    hears: ['', '', '400'],
    leaves: true,
  },
  {
    says: 'a method in lower case',
    ...changed('POST', 'post'),
    hears: ['501', '405 METHOD_NOT_ALLOWED', '400'],
  },
  {
    says: 'a method of one’s own',
    ...changed('POST', 'SEND'),
    hears: ['501', '405 METHOD_NOT_ALLOWED', '400'],
  },
  { says: 'TRACE', ...changed('POST', 'TRACE'), hears: '405 METHOD_NOT_ALLOWED' },
  { says: 'HEAD', ...changed('POST', 'HEAD'), hears: '405' },
  { says: 'a GET with a body', ...changed('POST', 'GET'), hears: '405 METHOD_NOT_ALLOWED' },
  { says: 'no Host', ...changed('Host: edge\r\n', ''), hears: ['400', '202', '400'] },
  { says: 'two Hosts', ...lines('Host: other', LENGTH), hears: ['202', '400', '202'] },
  { says: 'a Host that is none', ...changed('edge', 'a b'), hears: ['202', '202', '400'] },
  ...[
    ['/docs', '200'],
    ['/v1/projects/slc_pub_ThisIsAKeyForTheGoldenVectors01cWdGh/settings', '404 NOT_FOUND'],
  ].map(
    ([page, hears]): WireCase => ({
      says: `a Host that is none, at ${page}`,
      bytes: () => `GET ${page} HTTP/1.1\r\nHost: [::\r\n\r\n`,
      hears: [hears as string, hears as string, '400'],
    }),
  ),
  { says: 'an address in full', ...path('http://edge/v1/events'), hears: '202' },
  { says: 'an address of another host', ...path('http://evil.example/v1/events'), hears: '202' },
  { says: 'dots', ...path('/x/../v1/events'), hears: '404 NOT_FOUND' },
  { says: 'dots in disguise', ...path('/x/%2e%2e/v1/events'), hears: '404 NOT_FOUND' },
  { says: 'two slashes', ...path('//v1/events'), hears: '404 NOT_FOUND' },
  { says: 'a path without a slash', ...path('v1/events'), hears: '400' },
  { says: 'a backslash', ...path('/v1\\events'), hears: ['404 NOT_FOUND', '404 NOT_FOUND', '400'] },
  { says: 'a path of 8 kB', ...path(`/${'a'.repeat(8_000)}`), hears: '404 NOT_FOUND' },
  { says: 'a path of 300 kB', ...path(`/${'a'.repeat(300_000)}`), hears: ['414', '400', '431'] },
  { says: 'a broken escape', ...path('/%zz/v1/events'), hears: '404 NOT_FOUND' },
  { says: 'an escaped letter', ...path('/%761/events'), hears: '202' },
  { says: 'NUL in the path', ...path('/v1/\0events'), hears: '400' },

  // The same header twice is one list, and no key, type or coding is a list.
  {
    says: 'the key twice',
    bytes: (key) => `${head(key, `Authorization: Bearer ${key}`, LENGTH)}${EVENT}`,
    hears: '401 KEY_MISSING',
  },
  {
    says: 'the key twice, in X-API-Key',
    bytes: (key) => `${head('', `X-API-Key: ${key}`, `X-API-Key: ${key}`, LENGTH)}${EVENT}`,
    hears: '401 KEY_UNKNOWN',
  },
  {
    says: 'Content-Type twice',
    ...lines('Content-Type: application/json', LENGTH),
    hears: '415 MEDIA_TYPE_UNSUPPORTED',
  },
  {
    says: 'Content-Encoding twice',
    ...lines('Content-Encoding: identity', 'Content-Encoding: identity', LENGTH),
    hears: '415 ENCODING_UNSUPPORTED',
  },
  {
    says: 'Idempotency-Key twice',
    ...lines('Idempotency-Key: a', 'Idempotency-Key: b', LENGTH),
    hears: '400 IDEMPOTENCY_KEY_INVALID',
  },
  {
    says: 'an empty Idempotency-Key',
    ...lines('Idempotency-Key:', LENGTH),
    hears: '400 IDEMPOTENCY_KEY_INVALID',
  },
  {
    says: 'a no-break space behind the key',
    ...changed(/(Bearer \S+)/, '$1\xa0'),
    hears: '401 KEY_MISSING',
  },
  { says: 'a tab before the key', ...changed('Bearer ', 'Bearer\t'), hears: '401 KEY_MISSING' },
  { says: 'spaces behind the key', ...changed(/(Bearer \S+)/, '$1\t '), hears: '202' },
]
