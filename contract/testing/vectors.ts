/**
 * Golden vectors: the exact results of the contract's code in every runtime (`run-vectors.ts`
 * compares them). Written by hand or with other tools than this code: the ids and checksums come
 * from Python's uuid, zlib and hashlib. Data only.
 */

import type { ErrorCode, ItemErrorCode } from '../errors.ts'
import type { DerivedIdSource } from '../event/uuid.ts'
import type { DeadReason } from '../log/record.ts'

/** The time received, used wherever an event has no time. */
export const RECEIVED_AT = '2026-11-21T09:00:00.123Z'

export interface BatchVector {
  title: string
  body: string
  /** Exactly one of `rejected` and `events` is present. */
  rejected?: ErrorCode
  events?: EventVector[]
  isSingleEvent?: true
}

/** The canonical event as JSON, with `made-<index>` for an id that the client did not send; or its errors. */
export type EventVector = string | [pointer: string, code: ItemErrorCode][]

const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`
const keys = (count: number) => Array.from({ length: count }, (_, i) => `"k${i}":${i}`).join(',')
/** `{"name":"a", …}` with `more` in the middle. */
const with_ = (more: string) => `{"name":"a",${more}}`
const event = (more: string, id = 'made-0', at = RECEIVED_AT) =>
  `{"event_id":"${id}","name":"a","occurred_at":"${at}",${more}}`
const rejected = (
  title: string,
  body: string,
  pointer: string,
  code: ItemErrorCode,
): BatchVector => ({
  title,
  body,
  isSingleEvent: true,
  events: [[[pointer, code]]],
})
const accepted = (title: string, body: string, json: string): BatchVector => ({
  title,
  body,
  isSingleEvent: true,
  events: [json],
})

export const BATCHES: readonly BatchVector[] = [
  // The four legacy formats
  accepted(
    'unknown top-level fields become properties',
    '{"event":"page_view","user_id":"u123","page":"/pricing","timestamp":1705945000}',
    '{"event_id":"made-0","name":"page_view","occurred_at":"2024-01-22T17:36:40Z","actor":"u123","properties":{"page":"/pricing"}}',
  ),
  accepted(
    'event_id, event_type, schema_version, occurred_at, payload',
    '{"event_id":"E-1","event_type":"signup","schema_version":2,"occurred_at":"2026-11-21T10:00:00+01:00","payload":{"plan":"pro"}}',
    '{"event_id":"E-1","name":"signup","occurred_at":"2026-11-21T09:00:00Z","properties":{"plan":"pro"},"schema_version":"2"}',
  ),
  accepted(
    'event_type, source, timestamp, payload, metadata',
    '{"event_type":"order","source":"shop","timestamp":1705945000123,"payload":{"sum":9.5},"metadata":{"ip":"::1"}}',
    '{"event_id":"made-0","name":"order","occurred_at":"2024-01-22T17:36:40.123Z","source":"shop","properties":{"sum":9.5},"context":{"ip":"::1"}}',
  ),
  accepted(
    'event_name, user_id, session_id, project_id, properties, timestamp',
    '{"event_name":"click","user_id":7,"session_id":"s","project_id":"p","properties":{"x":1},"timestamp":1705945000123456}',
    '{"event_id":"made-0","name":"click","occurred_at":"2024-01-22T17:36:40.123456Z","actor":"7","session":"s","properties":{"project_id":"p","x":1}}',
  ),
  // Shapes of a body
  {
    title: 'an array is a batch',
    body: '[{"name":"a"},{"name":"b","event_id":"x"}]',
    events: [
      `{"event_id":"made-0","name":"a","occurred_at":"${RECEIVED_AT}","properties":{}}`,
      `{"event_id":"x","name":"b","occurred_at":"${RECEIVED_AT}","properties":{}}`,
    ],
  },
  {
    title: '{"events":[…]} is a batch whose events are validated one by one',
    body: '{"events":[{"name":"a"},5,{"nam":"b"}]}',
    events: [
      `{"event_id":"made-0","name":"a","occurred_at":"${RECEIVED_AT}","properties":{}}`,
      [['', 'EVENT_NOT_OBJECT']],
      [['/name', 'NAME_MISSING']],
    ],
  },
  accepted(
    'an object with a name is one event, whatever else it contains',
    '{"name":"a","events":[1]}',
    event('"properties":{"events":[1]}'),
  ),
  { title: 'an empty array is an empty batch', body: '[]', rejected: 'BATCH_EMPTY' },
  {
    title: 'an empty events list is an empty batch',
    body: '{"events":[]}',
    rejected: 'BATCH_EMPTY',
  },
  {
    title: '1,001 events are too many',
    body: `[${Array(1001).fill('{}').join(',')}]`,
    rejected: 'BATCH_TOO_LARGE',
  },
  { title: 'an empty body is not valid JSON', body: '', rejected: 'INVALID_JSON' },
  { title: 'half an object is not valid JSON', body: '{"name":"a"', rejected: 'INVALID_JSON' },
  { title: 'a trailing comma is not valid JSON', body: '{"name":"a",}', rejected: 'INVALID_JSON' },
  { title: 'NaN is not valid JSON', body: with_('"value":NaN'), rejected: 'INVALID_JSON' },
  {
    title: 'two values are not valid JSON',
    body: '{"name":"a"}{"name":"b"}',
    rejected: 'INVALID_JSON',
  },
  rejected('null is not an event', 'null', '', 'EVENT_NOT_OBJECT'),
  rejected('a string is not an event', '"a"', '', 'EVENT_NOT_OBJECT'),
  // Numbers that JSON.parse would change
  rejected(
    'an integer beyond 2^53 that a double changes is rejected',
    with_('"properties":{"id":9007199254740993}'),
    '/properties/id',
    'NUMBER_UNREPRESENTABLE',
  ),
  rejected(
    '2^60 is rejected because it would be written with other digits',
    with_('"x":1152921504606846976'),
    '/x',
    'NUMBER_UNREPRESENTABLE',
  ),
  accepted(
    'a number in the notation of a double is accepted',
    with_('"x":1152921504606847000,"y":-1250000000000000000000000000000'),
    event('"properties":{"x":1152921504606847000,"y":-1.25e+30}'),
  ),
  accepted(
    'a large integer that a double holds exactly is accepted',
    with_('"id":9007199254740994,"big":100000000000000000000'),
    event('"properties":{"id":9007199254740994,"big":100000000000000000000}'),
  ),
  rejected('1e400 is rejected', with_('"value":1e400'), '/value', 'NUMBER_UNREPRESENTABLE'),
  rejected('-1e400 is rejected', with_('"x":[0,-1e400]'), '/x/1', 'NUMBER_UNREPRESENTABLE'),
  rejected(
    '1e-400 is rejected because it would become 0',
    with_('"x":1e-400'),
    '/x',
    'NUMBER_UNREPRESENTABLE',
  ),
  rejected(
    'a long fraction with a short exponent is rejected because it would become 0',
    with_(`"x":0.${'0'.repeat(250)}1e-99`),
    '/x',
    'NUMBER_UNREPRESENTABLE',
  ),
  accepted('zero with an exponent is accepted', with_('"x":0e-999'), event('"properties":{"x":0}')),
  accepted(
    'a number inside a string is left alone',
    with_('"x":"9007199254740993, 1e400"'),
    event('"properties":{"x":"9007199254740993, 1e400"}'),
  ),
  {
    title: 'a pointer in a batch starts at the event',
    body: '{"events":[{"name":"a"},{"name":"b","p":{"a/b~c":[1e999]}}]}',
    events: [
      `{"event_id":"made-0","name":"a","occurred_at":"${RECEIVED_AT}","properties":{}}`,
      [['/p/a~1b~0c/0', 'NUMBER_UNREPRESENTABLE']],
    ],
  },
  {
    title: '999 bad numbers in one event do not hide those of the next',
    body: `[{"name":"a","p":{${Array.from({ length: 999 }, (_, i) => `"k${i}":1e400`).join(',')}}},{"name":"b","p":9007199254740993}]`,
    events: [
      Array.from({ length: 999 }, (_, i) => [`/p/k${i}`, 'NUMBER_UNREPRESENTABLE'] as const).map(
        ([pointer, code]) => [pointer, code],
      ),
      [['/p', 'NUMBER_UNREPRESENTABLE']],
    ],
  },
  {
    title: 'a body with 10,000 bad numbers is rejected as a whole',
    body: `{"name":"a","p":[${Array(10_000).fill('1e400').join(',')}]}`,
    rejected: 'INVALID_JSON',
  },
  // Text that cannot be stored
  rejected('NUL in a value', with_(String.raw`"p":{"x":"a\u0000b"}`), '/p/x', 'STRING_UNSTORABLE'),
  rejected(
    'NUL in a key',
    with_(String.raw`"p":{"a\u0000b":1}`),
    '/p/a\u0000b',
    'STRING_UNSTORABLE',
  ),
  rejected('NUL in the name', String.raw`{"name":"a\u0000"}`, '/name', 'STRING_UNSTORABLE'),
  rejected('a lone surrogate', with_(String.raw`"x":"\ud83d"`), '/x', 'STRING_UNSTORABLE'),
  rejected(
    'a lone surrogate as actor',
    with_(String.raw`"actor":"\udc00"`),
    '/actor',
    'STRING_UNSTORABLE',
  ),
  accepted(
    'a surrogate pair is accepted',
    with_(String.raw`"x":"\ud83d\ude00"`),
    event('"properties":{"x":"😀"}'),
  ),
  // Keys
  rejected('__proto__ at the top', with_('"__proto__":{}'), '/__proto__', 'KEY_RESERVED'),
  rejected(
    '__proto__ deep inside',
    with_('"properties":{"a":[{"__proto__":1}]}'),
    '/properties/a/0/__proto__',
    'KEY_RESERVED',
  ),
  accepted(
    'constructor and toString are ordinary keys',
    with_('"constructor":1,"toString":{"hasOwnProperty":2}'),
    event('"properties":{"constructor":1,"toString":{"hasOwnProperty":2}}'),
  ),
  accepted(
    'properties may have the names of members that every object inherits or that a promise has',
    with_(
      '"then":"x","properties":{"toJSON":1,"constructor":{"then":[]},"valueOf":null,"hasOwnProperty":false}',
    ),
    event(
      '"properties":{"then":"x","toJSON":1,"constructor":{"then":[]},"valueOf":null,"hasOwnProperty":false}',
    ),
  ),
  rejected(
    'a key of 257 characters',
    with_(`"properties":{"${'k'.repeat(257)}":1}`),
    `/properties/${'k'.repeat(257)}`,
    'KEY_TOO_LONG',
  ),
  rejected(
    'the 1,001st key',
    `{"name":"a","properties":{${keys(1001)}}}`,
    '/properties/k1000',
    'TOO_MANY_KEYS',
  ),
  accepted(
    '1,000 keys are accepted',
    `{"name":"a","properties":{${keys(1000)}}}`,
    event(`"properties":{${keys(1000)}}`),
  ),
  accepted(
    'a property sent twice with the same value is accepted',
    with_('"x":[1],"properties":{"x":[1]}'),
    event('"properties":{"x":[1]}'),
  ),
  rejected(
    'a property sent twice with two values',
    with_('"x":1,"properties":{"x":2}'),
    '/x',
    'PROPERTY_CONFLICT',
  ),
  // Depth and size
  accepted('32 levels', with_(`"p":${nested(31)}`), event(`"properties":{"p":${nested(31)}}`)),
  rejected('33 levels', with_(`"p":${nested(32)}`), `/p${'/0'.repeat(31)}`, 'TOO_DEEP'),
  rejected('100,000 levels', with_(`"p":${nested(100_000)}`), `/p${'/0'.repeat(31)}`, 'TOO_DEEP'),
  {
    title: 'two equal properties of 100,000 levels are rejected without a comparison',
    body: with_(`"p":${nested(100_000)},"properties":{"p":${nested(100_000)}}`),
    isSingleEvent: true,
    events: [
      [
        [`/p${'/0'.repeat(31)}`, 'TOO_DEEP'],
        [`/properties/p${'/0'.repeat(31)}`, 'TOO_DEEP'],
      ],
    ],
  },
  rejected('more than 64 KiB', with_(`"p":"${'x'.repeat(65_536)}"`), '', 'EVENT_TOO_LARGE'),
  rejected(
    'more than 64 KiB of UTF-8 in fewer characters',
    with_(`"p":"${'€'.repeat(22_000)}"`),
    '',
    'EVENT_TOO_LARGE',
  ),
  // Ids
  accepted(
    'a UUID is lower-cased',
    with_('"event_id":"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"'),
    event('"properties":{}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),
  ),
  accepted(
    'any other id is kept unchanged',
    with_('"eventId":"Ab~!"'),
    event('"properties":{}', 'Ab~!'),
  ),
  accepted('a null id counts as not sent', with_('"event_id":null'), event('"properties":{}')),
  rejected('an empty id', with_('"event_id":""'), '/event_id', 'EVENT_ID_INVALID'),
  rejected('an id with a space', with_('"event_id":"a b"'), '/event_id', 'EVENT_ID_INVALID'),
  rejected('an id with an umlaut', with_('"event_id":"ä"'), '/event_id', 'EVENT_ID_INVALID'),
  rejected('an id that is a number', with_('"event_id":5'), '/event_id', 'EVENT_ID_INVALID'),
  rejected('an id that is a list', with_('"event_id":["a"]'), '/event_id', 'EVENT_ID_INVALID'),
  rejected(
    'an id of 129 characters',
    with_(`"event_id":"${'i'.repeat(129)}"`),
    '/event_id',
    'EVENT_ID_INVALID',
  ),
  // Names
  accepted(
    'a name is trimmed and composed',
    String.raw`{"name":"  cafe\u0301 "}`,
    `{"event_id":"made-0","name":"café","occurred_at":"${RECEIVED_AT}","properties":{}}`,
  ),
  accepted(
    'the plain name is a property where event is present',
    '{"event":"signup","name":"Ada"}',
    `{"event_id":"made-0","name":"signup","occurred_at":"${RECEIVED_AT}","properties":{"name":"Ada"}}`,
  ),
  rejected('no name', '{"properties":{}}', '/name', 'NAME_MISSING'),
  rejected('a name of spaces', '{"name":"  "}', '/name', 'NAME_INVALID'),
  rejected('a name that is a number', '{"event":5}', '/event', 'NAME_INVALID'),
  rejected('a reserved name', '{"event_type":" $pageview"}', '/event_type', 'NAME_RESERVED'),
  rejected('the name that stands for all names', '{"name":"*"}', '/name', 'NAME_RESERVED'),
  rejected(
    'the name under which queries show all others',
    '{"event":" (other) "}',
    '/event',
    'NAME_RESERVED',
  ),
  accepted(
    'a star in a name is an ordinary character',
    '{"name":"* of 5"}',
    `{"event_id":"made-0","name":"* of 5","occurred_at":"${RECEIVED_AT}","properties":{}}`,
  ),
  rejected('a name of a zero-width space', String.raw`{"name":"\u200b"}`, '/name', 'NAME_INVALID'),
  rejected(
    'a name of characters that show nothing',
    String.raw`{"name":"\u2060\u00ad \u3164\u2800\ufe0f"}`,
    '/name',
    'NAME_INVALID',
  ),
  accepted(
    'a zero-width joiner between letters is accepted',
    String.raw`{"name":"\u0915\u094d\u200d\u0937"}`,
    `{"event_id":"made-0","name":"क्‍ष","occurred_at":"${RECEIVED_AT}","properties":{}}`,
  ),
  accepted(
    'a line break around a name is trimmed',
    String.raw`{"name":"a\n"}`,
    `{"event_id":"made-0","name":"a","occurred_at":"${RECEIVED_AT}","properties":{}}`,
  ),
  rejected('a line break in a name', String.raw`{"name":"a\nb"}`, '/name', 'NAME_INVALID'),
  rejected('a line separator in a name', String.raw`{"name":"a\u2028b"}`, '/name', 'NAME_INVALID'),
  rejected(
    'a control character in a name',
    String.raw`{"name":"a\u0085b"}`,
    '/name',
    'NAME_INVALID',
  ),
  rejected('a name of 256 characters', `{"name":"${'n'.repeat(256)}"}`, '/name', 'NAME_INVALID'),
  accepted(
    'a name of 255 emoji',
    `{"name":"${'😀'.repeat(255)}"}`,
    `{"event_id":"made-0","name":"${'😀'.repeat(255)}","occurred_at":"${RECEIVED_AT}","properties":{}}`,
  ),
  // The other fields
  accepted(
    'value, session, source and context',
    with_('"value":-0.5,"session":"s","source":"web","context":{"a":{}}'),
    event('"session":"s","source":"web","value":-0.5,"properties":{},"context":{"a":{}}'),
  ),
  rejected('a value that is a string', with_('"value":"5"'), '/value', 'VALUE_INVALID'),
  rejected('a value too large to sum', with_('"value":1e291'), '/value', 'VALUE_INVALID'),
  rejected('an actor that is an object', with_('"user_id":{}'), '/user_id', 'ACTOR_INVALID'),
  rejected('an actor that is a fraction', with_('"actor":1.5'), '/actor', 'ACTOR_INVALID'),
  rejected('an empty actor', with_('"actor":""'), '/actor', 'ACTOR_INVALID'),
  rejected('a session that is true', with_('"session":true'), '/session', 'SESSION_INVALID'),
  rejected(
    'a source of 256 characters',
    with_(`"source":"${'s'.repeat(256)}"`),
    '/source',
    'SOURCE_INVALID',
  ),
  rejected(
    'properties that are a list',
    with_('"properties":[]'),
    '/properties',
    'PROPERTIES_INVALID',
  ),
  rejected('a payload that is text', with_('"payload":"x"'), '/payload', 'PROPERTIES_INVALID'),
  rejected('metadata that is a number', with_('"metadata":1'), '/metadata', 'CONTEXT_INVALID'),
  rejected(
    'a schema version with a space',
    with_('"schema_version":"1 0"'),
    '/schema_version',
    'SCHEMA_VERSION_INVALID',
  ),
  {
    title: 'every error of an event is listed, not only the first',
    body: '{"event":"","timestamp":"now","value":"x","event_id":""}',
    isSingleEvent: true,
    events: [
      [
        ['/event_id', 'EVENT_ID_INVALID'],
        ['/event', 'NAME_INVALID'],
        ['/timestamp', 'OCCURRED_AT_INVALID'],
        ['/value', 'VALUE_INVALID'],
      ],
    ],
  },
]

/** A time as a client sends it, and its canonical form; null where it is rejected. */
export const TIMES: readonly (readonly [unknown, string | null])[] = [
  ['2026-11-21T09:20:15Z', '2026-11-21T09:20:15Z'],
  ['2026-11-21t09:20:15.5z', '2026-11-21T09:20:15.5Z'],
  ['2026-11-21 09:20:15.123456789Z', '2026-11-21T09:20:15.123456Z'],
  ['2026-11-21T00:20:15+05:45', '2026-11-20T18:35:15Z'],
  ['2026-12-31T23:30:00-00:30', '2027-01-01T00:00:00Z'],
  ['2024-02-29T12:00:00Z', '2024-02-29T12:00:00Z'],
  ['2000-02-29T12:00:00Z', '2000-02-29T12:00:00Z'],
  ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00Z'],
  ['2017-01-01T08:59:60+09:00', '2017-01-01T00:00:00Z'],
  ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
  ['0050-06-01T00:00:00Z', '0050-06-01T00:00:00Z'],
  ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999Z'],
  [0, '1970-01-01T00:00:00Z'],
  [-1, '1969-12-31T23:59:59Z'],
  [-0.5, '1969-12-31T23:59:59.500Z'],
  [1705945000, '2024-01-22T17:36:40Z'],
  [1705945000.25, '2024-01-22T17:36:40.250Z'],
  [1705945000123, '2024-01-22T17:36:40.123Z'],
  [1705945000123.5, '2024-01-22T17:36:40.123500Z'],
  [1705945000123456, '2024-01-22T17:36:40.123456Z'],
  [99_999_999_999, '5138-11-16T09:46:39Z'],
  [100_000_000_000, '1973-03-03T09:46:40Z'],
  [99_999_999_999_999, '5138-11-16T09:46:39.999Z'],
  [1705945000.9999998, '2024-01-22T17:36:41Z'],
  ['2025-02-29T12:00:00Z', null],
  ['1900-02-29T12:00:00Z', null],
  ['2026-02-30T12:00:00Z', null],
  ['2026-04-31T12:00:00Z', null],
  ['2026-13-01T12:00:00Z', null],
  ['2026-00-01T12:00:00Z', null],
  ['2026-11-00T12:00:00Z', null],
  ['2026-11-21T24:00:00Z', null],
  ['2026-11-21T09:60:00Z', null],
  ['2026-11-21T09:20:61Z', null],
  ['2026-11-21T09:20:60Z', null],
  ['2026-11-21T09:20:15+24:00', null],
  ['2026-11-21T09:20:15+01:60', null],
  ['2026-11-21T09:20:15+0100', null],
  ['2026-11-21T09:20:15', null],
  ['2026-11-21T09:20Z', null],
  ['2026-11-21', null],
  ['2026-11-21T09:20:15.Z', null],
  ['2026-11-21T09:20:15.1234567890123Z', null],
  [' 2026-11-21T09:20:15Z', null],
  ['2026-11-21T09:20:15Z\n', null],
  ['٢٠٢٦-11-21T09:20:15Z', null],
  ['0000-06-01T00:00:00Z', null],
  ['0001-01-01T00:00:00+00:01', null],
  ['9999-12-31T23:59:59-00:01', null],
  ['-2026-11-21T09:20:15Z', null],
  ['1705945000', null],
  ['now', null],
  ['', null],
  [1e17, null],
  [-1e11 * 0.99, null],
  [Number.NaN, null],
  [Number.POSITIVE_INFINITY, null],
  [true, null],
  [{}, null],
  [['2026-11-21T09:20:15Z'], null],
]

export const KEYS: readonly { key: string; crc: number; sha256: string }[] = [
  {
    key: 'slc_sec_0000000000000000000000000000004K8ygg',
    crc: 3962197958,
    sha256: '6915e296794ef9216984f4704803ae132e123d75bbf789a4fd6a66541e0f598e',
  },
  {
    key: 'slc_pub_ThisIsAKeyForTheGoldenVectors01cWdGh',
    crc: 1485411047,
    sha256: '75721000051ca7a1af900817d83783f51ab2e99d7f87db655e54ae8807100165',
  },
  {
    key: 'slc_adm_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz2MdXq2',
    crc: 2166769926,
    sha256: '725d0eefcafe1e812c5e6f10e96a57a19b300caf71ba7eda45d5442897e69a3e',
  },
]

export const NOT_KEYS: readonly string[] = [
  '',
  'slc_sec_',
  // One character changed in the checksum, in the secret, in the kind.
  'slc_sec_0000000000000000000000000000004K8ygh',
  'slc_sec_0000000000000000000000000000014K8ygg',
  'slc_pub_0000000000000000000000000000004K8ygg',
  'slc_foo_0000000000000000000000000000004K8ygg',
  'SLC_sec_0000000000000000000000000000004K8ygg',
  'slc_sec_0000000000000000000000000000004K8yg',
  'slc_sec_0000000000000000000000000000004K8ygg ',
  'slc_sec_000000000000000000000000000000_K8ygg',
]

export const DERIVED_IDS: readonly (readonly [DerivedIdSource, string])[] = [
  [
    {
      tenant: 'acme',
      trust: 'server',
      idempotencyKey: 'order-1',
      index: 0,
      content: 'a'.repeat(64),
    },
    '67d793da-80e7-512a-8fa1-bfaf253fe87a',
  ],
  [
    {
      tenant: 'acme',
      trust: 'server',
      idempotencyKey: 'order-1',
      index: 1,
      content: 'a'.repeat(64),
    },
    'e61c67d2-bb05-51aa-9295-586c28f1dbf3',
  ],
  [
    {
      tenant: 'acme',
      trust: 'public',
      idempotencyKey: 'order-1',
      index: 0,
      content: 'a'.repeat(64),
    },
    'bc0c6eba-7146-5f4c-ad28-3733d0934a57',
  ],
  [
    {
      tenant: 'acme',
      trust: 'server',
      idempotencyKey: 'order-1',
      index: 0,
      content: 'b'.repeat(64),
    },
    '8885486e-8a4a-562b-825c-eccca15c467f',
  ],
  [
    {
      tenant: 'acme',
      trust: 'server',
      idempotencyKey: '"quoted"',
      index: 999,
      content: '{"event":"café"}',
    },
    'aeaf9f7d-035c-5b08-9813-00816791dc21',
  ],
  [
    {
      tenant: 'other',
      trust: 'server',
      idempotencyKey: 'order-1',
      index: 0,
      content: 'a'.repeat(64),
    },
    '6cd3978d-58eb-55fc-8f14-b9982d2a455b',
  ],
]

export const UUIDS: readonly (readonly [string, boolean])[] = [
  ['00000000-0000-0000-0000-000000000000', true],
  ['ffffffff-FFFF-ffff-FFFF-ffffffffffff', true],
  ['018f3a5c-7b2e-7c4d-9e1f-0a2b3c4d5e6f', true],
  ['018f3a5c7b2e7c4d9e1f0a2b3c4d5e6f', false],
  ['{018f3a5c-7b2e-7c4d-9e1f-0a2b3c4d5e6f}', false],
  ['018f3a5c-7b2e-7c4d-9e1f-0a2b3c4d5e6g', false],
  ['018f3a5c-7b2e-7c4d-9e1f-0a2b3c4d5e6f\n', false],
  ['', false],
]

const STAMP = `"v":1,"tenant":"acme","key":"k1","request_id":"r1","received_at":"${RECEIVED_AT}","edge":"test"`
const EVENT = `{"event_id":"e1","name":"a","occurred_at":"2026-11-21T09:00:00Z","properties":{}}`
const record = (changed: string) =>
  `{${STAMP},"event":{"event_id":"e1","name":"a","occurred_at":"2026-11-21T09:00:00Z",${changed}}}`

/** Records exactly as they are written to the log. */
export const ENCODED = {
  stamp: {
    v: 1,
    tenant: 'acme',
    key: 'k1',
    request_id: 'r1',
    received_at: RECEIVED_AT,
    edge: 'test',
  },
  eventJson: EVENT,
  plain: `{${STAMP},"event":${EVENT}}`,
  historical: `{${STAMP},"historical":true,"event":${EVENT}}`,
} as const

/** Values in the log and how the worker classifies them: as an event, or with a reason. */
export const RECORDS: readonly (readonly [string, 'event' | DeadReason])[] = [
  [ENCODED.plain, 'event'],
  [ENCODED.historical, 'event'],
  [record('"properties":{"x":"\\ud83d\\ude00","n":12345678901234567890e0}'), 'event'],
  [record(`"properties":{"p":${nested(31)}}`), 'event'],
  [record(`"properties":{${keys(1000)}}`), 'event'],
  [`{${STAMP},"original":"{}","event":${EVENT}}`, 'event'],
  [
    `{${STAMP},"refused":[{"code":"NAME_MISSING","pointer":"/name","detail":"is missing"}],"original":"{}"}`,
    'NAME_MISSING',
  ],
  [`{${STAMP},"refused":[],"original":"{}"}`, 'NOT_A_RECORD'],
  [`{${STAMP},"refused":[{"code":"NAME_MISSING"}]}`, 'NOT_A_RECORD'],
  ['', 'NOT_JSON'],
  ['{', 'NOT_JSON'],
  ['hello', 'NOT_JSON'],
  ['null', 'NOT_A_RECORD'],
  ['[]', 'NOT_A_RECORD'],
  ['5', 'NOT_A_RECORD'],
  ['{}', 'VERSION_UNKNOWN'],
  [ENCODED.plain.replace('"v":1', '"v":2'), 'VERSION_UNKNOWN'],
  [ENCODED.plain.replace('"v":1', '"v":"1"'), 'VERSION_UNKNOWN'],
  [ENCODED.plain.replace('"acme"', '5'), 'NOT_A_RECORD'],
  [ENCODED.plain.replace('"r1"', '""'), 'NOT_A_RECORD'],
  [ENCODED.plain.replace(RECEIVED_AT, '2026-11-21T09:00:00+00:00'), 'NOT_A_RECORD'],
  [ENCODED.plain.replace(RECEIVED_AT, '2026-02-30T09:00:00Z'), 'NOT_A_RECORD'],
  [`{${STAMP},"event":null}`, 'EVENT_INVALID'],
  [`{${STAMP},"event":[]}`, 'EVENT_INVALID'],
  [record('"properties":null'), 'EVENT_INVALID'],
  [record('"properties":[]'), 'EVENT_INVALID'],
  [record('"properties":{},"context":5'), 'EVENT_INVALID'],
  [record('"properties":{},"actor":""'), 'EVENT_INVALID'],
  [record('"properties":{},"actor":5'), 'EVENT_INVALID'],
  [record('"properties":{},"value":"5"'), 'EVENT_INVALID'],
  [record('"properties":{},"value":1e400'), 'EVENT_INVALID'],
  [ENCODED.plain.replace('"e1"', `"${'e'.repeat(129)}"`), 'EVENT_INVALID'],
  [ENCODED.plain.replace('09:00:00Z","prop', '25:00:00Z","prop'), 'EVENT_INVALID'],
  [record(String.raw`"properties":{"x":"\u0000"}`), 'UNSTORABLE'],
  [record(String.raw`"properties":{"x":"\ud83d"}`), 'UNSTORABLE'],
  [record(String.raw`"properties":{},"actor":"\u0000"`), 'UNSTORABLE'],
  [ENCODED.plain.replace('"acme"', String.raw`"\u0000"`), 'UNSTORABLE'],
  [record('"properties":{"x":9007199254740993}'), 'UNSTORABLE'],
  [record('"properties":{"x":[1e400]}'), 'UNSTORABLE'],
  [record(`"properties":{"p":${nested(32)}}`), 'UNSTORABLE'],
  [record(`"properties":{"p":${nested(100_000)}}`), 'UNSTORABLE'],
  [record(`"properties":{"p":${'{"a":'.repeat(50)}1${'}'.repeat(50)}}`), 'UNSTORABLE'],
]
