import { deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { batch, type Case, EVENT, JSON_TYPE, sized } from './case.ts'

/** Bodies: syntax, types, encodings and sizes. */
export const BODIES: readonly Case[] = [
  { title: 'no body at all', headers: JSON_TYPE, status: 400, code: 'INVALID_JSON' },
  { title: 'an empty body', body: '', status: 400, code: 'INVALID_JSON' },
  { title: 'broken JSON', body: '{"event":', status: 400, code: 'INVALID_JSON' },
  {
    title: 'JSON with a trailing comma',
    body: '{"event":"a",}',
    status: 400,
    code: 'INVALID_JSON',
  },
  { title: 'JSON after a byte order mark', body: `\ufeff${EVENT}`, status: 202 },
  ...[
    ['a byte that UTF-8 does not use', [0xff]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['half a surrogate pair', [0xed, 0xa0, 0x80]],
    ['a character cut in two', [0xe2, 0x82]],
    ['a character beyond Unicode', [0xf4, 0x90, 0x80, 0x80]],
  ].map(
    ([title, bytes]): Case => ({
      title: `invalid UTF-8: ${title}`,
      body: Buffer.concat([
        Buffer.from('{"event":"a'),
        Buffer.from(bytes as number[]),
        Buffer.from('"}'),
      ]),
      status: 400,
      code: 'INVALID_UTF8',
    }),
  ),
  { title: 'UTF-16', body: Buffer.from(EVENT, 'utf16le'), status: 400, code: 'INVALID_JSON' },
  ...[
    'application/xml',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'json',
    'application/json; charset=latin1',
  ].map(
    (type): Case => ({
      title: `a body of type ${type}`,
      headers: { 'content-type': type },
      body: EVENT,
      status: 415,
      code: 'MEDIA_TYPE_UNSUPPORTED',
      responseHeaders: { 'accept-post': 'application/json' },
    }),
  ),
  ...['application/json; charset=UTF-8', 'Application/JSON', 'text/plain'].map(
    (type): Case => ({
      title: `a body of type ${type}`,
      headers: { 'content-type': type },
      body: EVENT,
      status: 202,
    }),
  ),
  { title: 'a chunked body', body: EVENT, chunked: true, status: 202 },
  { title: 'exactly 1 MiB', body: sized(1024 * 1024), status: 202 },
  { title: 'exactly 1 MiB, chunked', body: sized(1024 * 1024), chunked: true, status: 202 },
  {
    title: 'one byte more than 1 MiB',
    body: sized(1024 * 1024 + 1),
    status: 413,
    code: 'BODY_TOO_LARGE',
  },
  {
    title: 'one byte more than 1 MiB, chunked without a length',
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
      title: `Content-Encoding ${encoding}`,
      headers: { 'content-encoding': encoding as string },
      body: body as Uint8Array,
      status: 202,
    }),
  ),
  {
    title: 'gzip, chunked',
    headers: { 'content-encoding': 'gzip' },
    body: gzipSync(batch(1000)),
    chunked: true,
    status: 202,
  },
  ...['br', 'zstd', 'gzip, gzip', 'compress', 'nonsense'].map(
    (encoding): Case => ({
      title: `Content-Encoding ${encoding}`,
      headers: { 'content-encoding': encoding },
      body: EVENT,
      status: 415,
      code: 'ENCODING_UNSUPPORTED',
      responseHeaders: { 'accept-encoding': 'gzip, deflate' },
    }),
  ),
  ...(
    [
      ['of uncompressed data', 'gzip', Buffer.from(EVENT)],
      ['that ends too early', 'gzip', gzipSync(EVENT).subarray(0, 20)],
      ['without its checksum', 'gzip', gzipSync(EVENT).subarray(0, -8)],
      ['with trailing junk', 'gzip', Buffer.concat([gzipSync(EVENT), Buffer.from('junk')])],
      ['of no bytes', 'gzip', Buffer.alloc(0)],
      ['that is gzip', 'deflate', gzipSync(EVENT)],
    ] as const
  ).map(
    ([title, encoding, body]): Case => ({
      title: `${encoding} ${title}`,
      headers: { 'content-encoding': encoding },
      body,
      status: 400,
      code: 'INVALID_ENCODING',
    }),
  ),
  {
    title: 'a gzip bomb of 200 MiB',
    headers: { 'content-encoding': 'gzip' },
    body: gzipSync(Buffer.alloc(200 * 1024 * 1024)),
    status: 413,
    code: 'BODY_TOO_LARGE',
  },
  {
    title: 'a gzip bomb of 200 MiB, chunked',
    headers: { 'content-encoding': 'gzip' },
    body: gzipSync(Buffer.alloc(200 * 1024 * 1024)),
    chunked: true,
    status: 413,
    code: 'BODY_TOO_LARGE',
  },

  // Encodings, combined and unusual
  ...[
    'gzip, identity',
    'identity, gzip',
    'deflate, gzip',
    'gzip,gzip',
    'gzip;q=1',
    'gzip gzip',
    'x-deflate',
    'deflate-raw',
    'lz4',
    'aws-chunked',
    'chunked',
    'utf-8',
    '*',
    '__proto__',
  ].map(
    (encoding): Case => ({
      title: `Content-Encoding ${encoding}`,
      headers: { 'content-encoding': encoding },
      body: gzipSync(EVENT),
      status: 415,
      code: 'ENCODING_UNSUPPORTED',
      responseHeaders: { 'accept-encoding': 'gzip, deflate' },
    }),
  ),
  ...['', ' ', 'Identity', ' identity '].map(
    (encoding): Case => ({
      title: `Content-Encoding "${encoding}", which means none`,
      headers: { 'content-encoding': encoding },
      body: EVENT,
      status: 202,
    }),
  ),
  ...['  gzip ', 'X-GZip'].map(
    (encoding): Case => ({
      title: `Content-Encoding "${encoding}"`,
      headers: { 'content-encoding': encoding },
      body: gzipSync(EVENT),
      status: 202,
    }),
  ),
  ...(
    [
      ['of raw deflate data without a header', 'deflate', deflateRawSync(EVENT)],
      ['with a wrong magic number', 'gzip', changedAt(gzipSync(EVENT), 1)],
      ['with an unknown compression method', 'gzip', changedAt(gzipSync(EVENT), 2)],
      ['with a flipped bit', 'gzip', changedAt(gzipSync(batch(100)), 30)],
      ['with a wrong checksum', 'gzip', changedAt(gzipSync(EVENT), -5)],
      ['with a wrong length', 'gzip', changedAt(gzipSync(EVENT), -1)],
      ['with a wrong checksum', 'deflate', changedAt(deflateSync(EVENT), -1)],
      ['without its checksum', 'deflate', deflateSync(EVENT).subarray(0, -4)],
      ['that ends too early', 'deflate', deflateSync(EVENT).subarray(0, 12)],
      ['of no bytes', 'deflate', Buffer.alloc(0)],
      ['with trailing junk', 'deflate', Buffer.concat([deflateSync(EVENT), Buffer.from('junk')])],
      ['with a second member', 'gzip', Buffer.concat([gzipSync(EVENT), gzipSync(EVENT)])],
      ['with trailing zeros', 'gzip', Buffer.concat([gzipSync(EVENT), Buffer.alloc(8)])],
      ['of a header alone', 'gzip', gzipSync(EVENT).subarray(0, 10)],
      ['of one byte', 'gzip', Buffer.from([0x1f])],
      ['with a dictionary', 'deflate', deflateSync(EVENT, { dictionary: Buffer.from('{"event"') })],
    ] as const
  ).map(
    ([title, encoding, body]): Case => ({
      title: `${encoding} ${title} that cannot be decoded`,
      headers: { 'content-encoding': encoding },
      body,
      status: 400,
      code: 'INVALID_ENCODING',
    }),
  ),
  ...(
    [
      ['without compression', 'gzip', gzipSync(EVENT, { level: 0 })],
      ['at the highest compression level', 'deflate', deflateSync(EVENT, { level: 9 })],
      ['with a file name in its header', 'gzip', named(gzipSync(EVENT))],
      ['with a byte order mark inside', 'gzip', gzipSync(`\ufeff${EVENT}`)],
      [
        'of 1 MiB of random white space',
        'gzip',
        gzipSync(`[${EVENT}${randomSpaces(1024 * 1024 - 23)}]`),
      ],
    ] as const
  ).map(
    ([title, encoding, body]): Case => ({
      title: `${encoding} ${title}`,
      headers: { 'content-encoding': encoding },
      body,
      status: 202,
    }),
  ),
  {
    title: 'gzip within gzip',
    headers: { 'content-encoding': 'gzip' },
    body: gzipSync(gzipSync(EVENT)),
    status: 400,
    code: 'INVALID_UTF8',
  },
  {
    title: 'gzip without a Content-Encoding',
    body: gzipSync(EVENT),
    status: 400,
    code: 'INVALID_UTF8',
  },
  {
    title: 'gzip of an empty text',
    headers: { 'content-encoding': 'gzip' },
    body: gzipSync(''),
    status: 400,
    code: 'INVALID_JSON',
  },
  {
    title: 'gzip of broken UTF-8',
    headers: { 'content-encoding': 'gzip' },
    body: gzipSync(Buffer.from([0x22, 0xff, 0x22])),
    status: 400,
    code: 'INVALID_UTF8',
  },
  ...(
    [
      ['a deflate bomb of 200 MiB', 'deflate', deflateSync(Buffer.alloc(200 * 1024 * 1024))],
      [
        'a bomb that starts with JSON',
        'gzip',
        gzipSync(`[${EVENT}${' '.repeat(8 * 1024 * 1024)}]`),
      ],
      ['one byte more than 1 MiB in gzip', 'gzip', gzipSync(sized(1024 * 1024 + 1))],
    ] as const
  ).flatMap(([title, encoding, body]): Case[] =>
    [false, true].map((chunked) => ({
      title: chunked ? `${title}, chunked` : title,
      headers: { 'content-encoding': encoding },
      body,
      chunked,
      status: 413,
      code: 'BODY_TOO_LARGE',
    })),
  ),
  {
    title: 'more than 1 MiB of incompressible data',
    headers: { 'content-encoding': 'gzip' },
    body: Buffer.alloc(1024 * 1024 + 1, 0x1f),
    status: 413,
    code: 'BODY_TOO_LARGE',
  },
  {
    title: 'a gzip bomb inside gzip',
    headers: { 'content-encoding': 'gzip' },
    body: gzipSync(gzipSync(Buffer.alloc(200 * 1024 * 1024))),
    status: 400,
    code: 'INVALID_UTF8',
  },

  // Types
  ...[
    'application/json;charset=utf-8',
    'application/json; charset="UTF-8"',
    'application/json; charset=utf8',
    'application/json;',
    ' application/json ',
    'application/json; profile=x',
    'text/plain;charset=UTF-8',
    '',
  ].map(
    (type): Case => ({
      title: `the type "${type}", which is JSON`,
      headers: { 'content-type': type },
      body: EVENT,
      status: 202,
    }),
  ),
  ...[
    'text/json',
    'application/json5',
    'application/jsonp',
    'application/vnd.api+json',
    'application/json, text/plain',
    'text/plain; charset=utf-16',
    'application/json; charset=ascii',
    'text/html',
    'text/csv',
    '*/*',
    'application/octet-stream',
    'application/problem+json',
    '{"event":"a"}',
  ].map(
    (type): Case => ({
      title: `the type ${type}, which is not JSON`,
      headers: { 'content-type': type },
      body: EVENT,
      status: 415,
      code: 'MEDIA_TYPE_UNSUPPORTED',
      responseHeaders: { 'accept-post': /application\/json/ },
    }),
  ),
]

/** @param at from the end when below zero */
function changedAt(bytes: Buffer, at: number): Buffer {
  const changed = Buffer.from(bytes)
  const index = at < 0 ? changed.length + at : at
  changed[index] = (changed[index] as number) ^ 0x10
  return changed
}

/** With FNAME set, as gzip(1) writes it. */
function named(bytes: Buffer): Buffer {
  const head = Buffer.from(bytes.subarray(0, 10))
  head[3] = 8
  return Buffer.concat([head, Buffer.from('events.json\0'), bytes.subarray(10)])
}

/** White space that does not compress. */
function randomSpaces(count: number): string {
  return Array.from({ length: count }, () => ' \t\n\r'[Math.floor(Math.random() * 4)]).join('')
}
