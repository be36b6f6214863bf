import { requestHead } from '../testing/socket.ts'

/**
 * Bytes on the wire and the expected outcome: statuses, each with its code where the edge itself responded; ''
 * where the connection was closed without a response. Malformed HTTP is handled by each runtime's own server,
 * so outcomes may differ; the number of 202s must equal the number of records in the log everywhere.
 */
export interface WireCase {
  title: string
  bytes: (key: string) => string
  /** The outcome in every runtime, or those in workerd, Deno and Node. */
  expects: string | readonly [workerd: string, deno: string, node: string]
  /** The client half-closes at once: the rest of its body never arrives. */
  halfCloses?: true
}

const EVENT = '{"event":"a"}'
const LENGTH = `Content-Length: ${EVENT.length}`
const CHUNKED = 'Transfer-Encoding: chunked'
const INCOMPLETE = '400 BODY_INCOMPLETE'

/** A whole request with these header lines instead of its length. */
const lines = (...sent: string[]) => ({ bytes: (key: string) => requestHead(key, ...sent) + EVENT })
const chunks = (body: string, ...sent: string[]) => ({
  bytes: (key: string) => requestHead(key, ...sent, CHUNKED) + body,
})
/** A whole request with a modified head. */
const changed = (from: string | RegExp, to: string) => ({
  bytes: (key: string) => requestHead(key, LENGTH).replace(from, to) + EVENT,
})
/** A second request follows, which only a server that is deceived reads as one. */
const smuggling = (body: string, ...sent: string[]) => ({
  bytes: (key: string) => requestHead(key, ...sent) + body + requestHead(key, LENGTH) + EVENT,
})
const wholeBody = `d\r\n${EVENT}\r\n0\r\n\r\n`
const path = (to: string) => changed('/v1/events', to)
const many = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: b`)

export const WIRE: readonly WireCase[] = [
  { title: 'a plain request', ...lines(LENGTH), expects: '202' },

  // The end of the body
  ...[
    ['+13', 'a length with a sign'],
    ['-1', 'a length below zero'],
    ['0x0d', 'a length in hex'],
    ['13.0', 'a length with a fraction'],
    ['1e1', 'a length with an exponent'],
    ['1 3', 'a length with a space inside'],
    ['13, 13', 'a list of lengths'],
    ['', 'a length that is empty'],
    ['99999999999999999999999', 'a length beyond 64 bits'],
  ].map(
    ([length, title]): WireCase => ({
      title: title as string,
      ...lines(`Content-Length: ${length}`),
      expects: '400',
    }),
  ),
  { title: 'a length with leading zeros', ...lines('Content-Length: 013'), expects: '202' },
  { title: 'a length among tabs', ...lines('Content-Length:\t13\t'), expects: '202' },
  { title: 'a space before the colon', ...lines('Content-Length : 13'), expects: '400' },
  {
    title: 'the same length twice',
    ...lines(LENGTH, LENGTH),
    expects: ['202', '202', '400'],
  },
  { title: 'two lengths', ...lines(LENGTH, 'Content-Length: 5'), expects: '400' },
  {
    title: 'a length and chunks, where a server that reads the chunks must close the connection',
    ...smuggling(wholeBody, LENGTH, CHUNKED),
    expects: ['202', '400', '400'],
  },
  {
    title: 'chunks and a length that covers the next request',
    ...smuggling('0\r\n\r\n', CHUNKED, 'Content-Length: 5'),
    expects: ['400 INVALID_JSON', '400', '400'],
  },
  {
    title: 'a length that is too short, and trailing junk',
    bytes: (key) => `${requestHead(key, LENGTH)}${EVENT}junk\r\n\r\n`,
    expects: ['202 400', '202 400', '202'],
  },
  {
    title: 'a length in the middle of the JSON',
    ...lines('Content-Length: 5'),
    expects: ['400 INVALID_JSON 400', '400 INVALID_JSON', '400 INVALID_JSON'],
  },
  {
    title: 'a length that is too long',
    ...lines('Content-Length: 50'),
    expects: [INCOMPLETE, INCOMPLETE, '400'],
    halfCloses: true,
  },
  {
    title: 'neither a length nor chunks, which means no body',
    bytes: (key) => requestHead(key),
    expects: '400 INVALID_JSON',
  },
  ...[
    ['xchunked', 'a coding that is almost chunked'],
    ['chunked, identity', 'chunks that are not the last coding'],
    ['\vchunked', 'a vertical tab before chunked'],
  ].map(
    ([coding, title]): WireCase => ({
      title: title as string,
      bytes: (key) => requestHead(key, `Transfer-Encoding: ${coding}`) + wholeBody,
      expects: '400',
    }),
  ),
  { title: 'the coding identity', ...lines('Transfer-Encoding: identity', LENGTH), expects: '400' },
  {
    title: 'a space before the colon of the coding',
    bytes: (key) => requestHead(key, 'Transfer-Encoding : chunked') + wholeBody,
    expects: '400',
  },
  { title: 'chunked twice', ...chunks(wholeBody, CHUNKED), expects: ['202', '400', '400'] },
  {
    title: 'Chunked, with a capital',
    bytes: (key) => requestHead(key, 'Transfer-Encoding: Chunked') + wholeBody,
    expects: '202',
  },

  // Chunks
  { title: 'an extension of a chunk', ...chunks(wholeBody.replace('d', 'd;a=b')), expects: '202' },
  { title: 'a quoted extension', ...chunks(wholeBody.replace('d', 'd;a="b;c"')), expects: '202' },
  {
    title: 'an extension of 20 kB',
    ...chunks(wholeBody.replace('d', `d;a=${'x'.repeat(20_000)}`)),
    expects: [INCOMPLETE, INCOMPLETE, '413'],
  },
  { title: 'a size in capitals', ...chunks(wholeBody.replace('d', 'D')), expects: '202' },
  { title: 'a size with leading zeros', ...chunks(wholeBody.replace('d', '000d')), expects: '202' },
  {
    title: 'a size with a space',
    ...chunks(wholeBody.replace('d', 'd ')),
    expects: ['202', '202', '400'],
  },
  ...[
    ['0xd', 'a size with 0x'],
    ['-d', 'a size below zero'],
    ['g', 'a size that is not a number'],
    ['', 'no size at all'],
    ['5', 'a size that is too small'],
    ['fffffffffffffffffff', 'a size far beyond 64 bits'],
    ['1000000000000000d', 'a size just beyond 64 bits'],
  ].map(
    ([size, title]): WireCase => ({
      title: title as string,
      ...chunks(wholeBody.replace('d', size as string)),
      // Deno closes the connection; Node's server responds 400.
      expects: [INCOMPLETE, '', '400'],
    }),
  ),
  {
    title: 'chunks that end in bare LF',
    ...chunks(wholeBody.replaceAll('\r\n', '\n')),
    expects: [INCOMPLETE, INCOMPLETE, '400'],
    halfCloses: true,
  },
  { title: 'trailers', ...chunks(wholeBody.replace(/\r\n$/, 'X-A: b\r\n\r\n')), expects: '202' },
  {
    title: 'a key among the trailers, which is ignored',
    bytes: () =>
      `${requestHead('', CHUNKED)}${wholeBody.replace(/\r\n$/, 'X-API-Key: slc_sec_0000000000000000000000000000004K8ygg\r\n\r\n')}`,
    expects: '401 KEY_MISSING',
  },
  {
    title: 'a length among the trailers',
    ...chunks(wholeBody.replace(/\r\n$/, 'Content-Length: 3\r\n\r\n')),
    expects: ['202', '202', '400'],
  },
  {
    title: 'chunks that never end',
    ...chunks(`d\r\n${EVENT}\r\n`),
    expects: [INCOMPLETE, INCOMPLETE, '400'],
    halfCloses: true,
  },

  // Heads
  { title: 'a folded header line (obs-fold)', ...lines('X-A: b', ' c', LENGTH), expects: '400' },
  {
    title: 'a key on a folded header line',
    ...changed('Bearer ', 'Bearer\r\n '),
    expects: '400',
  },
  {
    title: 'bare LF',
    bytes: (key) => requestHead(key, LENGTH).replaceAll('\r\n', '\n') + EVENT,
    expects: ['202', '202', '400'],
  },
  { title: 'a bare CR', ...lines('X-A: b\rc', LENGTH), expects: '400' },
  { title: 'NUL', ...lines('X-A: b\0c', LENGTH), expects: '400' },
  { title: 'a line without a colon', ...lines('nonsense', LENGTH), expects: '400' },
  { title: 'a space before the first header line', ...changed('Host', ' Host'), expects: '400' },
  { title: 'a name with parentheses', ...lines('X(A): b', LENGTH), expects: '400' },
  { title: 'an empty name', ...lines(': b', LENGTH), expects: '400' },
  { title: 'UTF-8 in an unused header', ...lines('X-A: ä', LENGTH), expects: '202' },
  {
    title: 'empty lines before the request',
    bytes: (key) => `\r\n\r\n${requestHead(key, LENGTH)}${EVENT}`,
    expects: '202',
  },
  { title: 'a head of 20 kB', ...lines(`X-A: ${'a'.repeat(20_000)}`, LENGTH), expects: '202' },
  {
    title: 'a head of 300 kB',
    ...lines(`X-A: ${'a'.repeat(300_000)}`, LENGTH),
    expects: ['202', '400', '431'],
  },
  { title: '80 headers', ...lines(...many(80), LENGTH), expects: '202' },
  { title: '3,000 headers', ...lines(...many(3_000), LENGTH), expects: ['202', '400', '431'] },
  { title: 'Expect: 100-continue', ...lines(LENGTH, 'Expect: 100-continue'), expects: '100 202' },
  { title: 'another expectation', ...lines(LENGTH, 'Expect: tea'), expects: ['202', '202', '417'] },
  {
    title: 'an upgrade that the server does not offer',
    ...lines(LENGTH, 'Connection: Upgrade', 'Upgrade: websocket'),
    expects: ['202', '400', '202'],
  },

  // Request lines
  { title: 'HTTP/1.0', ...changed('HTTP/1.1', 'HTTP/1.0'), expects: '202' },
  { title: 'HTTP/2.0', ...changed('HTTP/1.1', 'HTTP/2.0'), expects: ['400', '400', '202'] },
  { title: 'HTTP/1.2', ...changed('HTTP/1.1', 'HTTP/1.2'), expects: '400' },
  { title: 'http/1.1', ...changed('HTTP/1.1', 'http/1.1'), expects: '400' },
  { title: 'no version', bytes: () => 'GET /healthz\r\n\r\n', expects: '400' },
  { title: 'TLS', bytes: () => '\x16\x03\x01\x02\x00\x01\x00\r\n\r\n', expects: '400' },
  {
    title: 'the preface of HTTP/2',
    bytes: () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    expects: ['', '', '400'],
    halfCloses: true,
  },
  {
    title: 'a method in lower case',
    ...changed('POST', 'post'),
    expects: ['501', '405 METHOD_NOT_ALLOWED', '400'],
  },
  {
    title: 'an unknown method',
    ...changed('POST', 'SEND'),
    expects: ['501', '405 METHOD_NOT_ALLOWED', '400'],
  },
  { title: 'TRACE', ...changed('POST', 'TRACE'), expects: '405 METHOD_NOT_ALLOWED' },
  { title: 'HEAD', ...changed('POST', 'HEAD'), expects: '405' },
  { title: 'a GET with a body', ...changed('POST', 'GET'), expects: '405 METHOD_NOT_ALLOWED' },
  { title: 'no Host', ...changed('Host: edge\r\n', ''), expects: ['400', '202', '400'] },
  { title: 'two Hosts', ...lines('Host: other', LENGTH), expects: ['202', '400', '400'] },
  { title: 'an invalid Host', ...changed('edge', 'a b'), expects: ['202', '202', '400'] },
  ...[
    // workerd and Deno read it as part of the URL; a proxy in front refuses such a Host.
    ['edge/healthz?', 'a path', '200'],
    ['edge?a/healthz', 'a query'],
    ['edge#a/healthz', 'a fragment'],
    ['a@edge', 'a user'],
    ['edge\\healthz', 'a backslash'],
  ].map(
    ([host, title, outcome = '404 NOT_FOUND']): WireCase => ({
      title: `a Host with ${title}`,
      bytes: () => `GET /nothing HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
      expects: [outcome, outcome, '400'],
    }),
  ),
  ...[
    ['/docs', '200'],
    ['/v1/projects/slc_pub_ThisIsAKeyForTheGoldenVectors01cWdGh/settings', '404 NOT_FOUND'],
  ].map(
    ([page, outcome]): WireCase => ({
      title: `an invalid Host at ${page}`,
      bytes: () => `GET ${page} HTTP/1.1\r\nHost: [::\r\n\r\n`,
      expects: [outcome as string, outcome as string, '400'],
    }),
  ),
  { title: 'an absolute URL', ...path('http://edge/v1/events'), expects: '202' },
  {
    title: 'an absolute URL of another host',
    ...path('http://evil.example/v1/events'),
    expects: '202',
  },
  {
    title: 'an absolute URL with a path in its query',
    ...path('http://edge?a/v1/events'),
    expects: ['404 NOT_FOUND', '202', '404 NOT_FOUND'],
  },
  { title: 'an absolute URL with a user', ...path('http://a@edge/v1/events'), expects: '202' },
  {
    title: 'an absolute URL that is invalid',
    ...path('http://[::/v1/events'),
    expects: ['400', '202', '400'],
  },
  { title: 'dot segments in the path', ...path('/x/../v1/events'), expects: '404 NOT_FOUND' },
  {
    title: 'escaped dot segments in the path',
    ...path('/x/%2e%2e/v1/events'),
    expects: '404 NOT_FOUND',
  },
  { title: 'a path with two slashes', ...path('//v1/events'), expects: '404 NOT_FOUND' },
  { title: 'a path without a slash', ...path('v1/events'), expects: '400' },
  {
    title: 'a backslash in the path',
    ...path('/v1\\events'),
    expects: '404 NOT_FOUND',
  },
  { title: 'a path of 8 kB', ...path(`/${'a'.repeat(8_000)}`), expects: '404 NOT_FOUND' },
  { title: 'a path of 300 kB', ...path(`/${'a'.repeat(300_000)}`), expects: ['414', '400', '431'] },
  { title: 'an invalid escape in the path', ...path('/%zz/v1/events'), expects: '404 NOT_FOUND' },
  { title: 'an escaped letter in the path', ...path('/%761/events'), expects: '202' },
  { title: 'NUL in the path', ...path('/v1/\0events'), expects: '400' },

  // A repeated header is one list, and a key, type or coding cannot be a list.
  {
    title: 'the key twice',
    bytes: (key) => `${requestHead(key, `Authorization: Bearer ${key}`, LENGTH)}${EVENT}`,
    expects: '401 KEY_MISSING',
  },
  {
    title: 'the key twice, in X-API-Key',
    bytes: (key) => `${requestHead('', `X-API-Key: ${key}`, `X-API-Key: ${key}`, LENGTH)}${EVENT}`,
    expects: '401 KEY_UNKNOWN',
  },
  {
    title: 'Content-Type twice',
    ...lines('Content-Type: application/json', LENGTH),
    expects: '415 MEDIA_TYPE_UNSUPPORTED',
  },
  {
    title: 'Content-Encoding twice',
    ...lines('Content-Encoding: identity', 'Content-Encoding: identity', LENGTH),
    expects: '415 ENCODING_UNSUPPORTED',
  },
  {
    title: 'Idempotency-Key twice',
    ...lines('Idempotency-Key: a', 'Idempotency-Key: b', LENGTH),
    expects: '400 IDEMPOTENCY_KEY_INVALID',
  },
  {
    title: 'an empty Idempotency-Key',
    ...lines('Idempotency-Key:', LENGTH),
    expects: '400 IDEMPOTENCY_KEY_INVALID',
  },
  {
    title: 'a no-break space after the key',
    ...changed(/(Bearer \S+)/, '$1\xa0'),
    expects: '401 KEY_MISSING',
  },
  { title: 'a tab before the key', ...changed('Bearer ', 'Bearer\t'), expects: '401 KEY_MISSING' },
  { title: 'spaces after the key', ...changed(/(Bearer \S+)/, '$1\t '), expects: '202' },
]
