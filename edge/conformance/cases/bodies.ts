import { deflateSync, gzipSync } from 'node:zlib'
import { batch, type Case, EVENT, JSON_TYPE, sized } from './case.ts'

/** Is this a body? */
export const BODIES: readonly Case[] = [
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
]
