import { accepted, type Case, rejected, rejectedBody } from './case.ts'

const broken = (title: string, body: string | Uint8Array) =>
  rejectedBody(title, body, 'INVALID_JSON')
const notAnEvent = (title: string, body: string): Case => ({
  title: `${title} instead of an event`,
  body,
  status: 422,
  code: 'EVENTS_INVALID',
  errors: ['0  EVENT_NOT_OBJECT'],
})
const value = (written: string) => `{"name":"a","x":${written}}`

/** Valid and invalid JSON. */
export const SYNTAX: readonly Case[] = [
  ...['01', '+1', '.5', '1.', '0x10', '1_000', '1e', '1e+', '--1', '-', '1,5'].map((written) =>
    broken(`the number ${written}`, value(written)),
  ),
  ...[
    'NaN',
    'Infinity',
    '-Infinity',
    'undefined',
    'True',
    'nul',
    "'x'",
    '`x`',
    '(1)',
    '/*x*/1',
  ].map((written) => broken(`the value ${written}`, value(written))),
  ...[
    String.raw`"\x41"`,
    String.raw`"\u12"`,
    String.raw`"\u{41}"`,
    String.raw`"\'"`,
    '"x',
    '"\\',
    '"a\tb"',
    '"a\nb"',
  ].map((written) => broken(`the string ${JSON.stringify(written)}`, value(written))),
  broken('NUL in a string', value('"a\0b"')),
  broken('a key without quotes', '{name:"a"}'),
  broken('a key that is a number', '{1:"a"}'),
  broken('no colon', '{"name" "a"}'),
  broken('an empty list element', '[{"name":"a"},,{"name":"b"}]'),
  broken('a comment', '{"name":"a"} // yes'),
  broken('one bracket too many', '{"name":"a"}}'),
  broken('one bracket too few', '[{"name":"a"}'),
  broken('two lines of JSON', '{"name":"a"}\n{"name":"b"}'),
  broken('nothing but spaces', ' \n\t '),
  broken('a no-break space before it', '\u00a0{"name":"a"}'),
  broken('a form feed before it', '\f{"name":"a"}'),
  broken('two byte order marks', '\ufeff\ufeff{"name":"a"}'),
  broken('a form', 'name=a&value=1'),
  broken('XML', '<event name="a"/>'),
  broken(
    'UTF-16 with a byte order mark',
    Buffer.from('\ufeff{"name":"a"}', 'utf16le').swap16().fill(0, 0, 2),
  ),
  broken('100,000 brackets that never close', '['.repeat(100_000)),
  {
    title: 'spaces around everything',
    body: ' \r\n\t{ "name" : "a" } \n',
    status: 202,
    expectedEvents: ['{"name":"a"}'],
  },
  ...[
    ['null', 'null'],
    ['true', 'true'],
    ['a number', '5'],
    ['a string', '"page_view"'],
  ].map(([title, body]) => notAnEvent(title as string, body as string)),
  {
    title: 'a list in a list instead of an event',
    body: '[[{"name":"a"}]]',
    status: 422,
    code: 'EVENTS_INVALID',
    errors: ['0  EVENT_NOT_OBJECT'],
  },
  {
    title: 'an envelope whose events are not a list',
    body: '{"events":{"name":"a"}}',
    status: 422,
    code: 'EVENTS_INVALID',
    errors: ['0 /name NAME_MISSING'],
  },

  // The last duplicate key wins.
  accepted('a property twice', '"x":1,"x":2', '{"x":2}'),
  accepted('a property twice, once escaped', String.raw`"x":1,"\u0078":2`, '{"x":2}'),
  accepted('a property twice, deep inside', '"p":{"x":{"a":1},"x":{"b":2}}', '{"p":{"x":{"b":2}}}'),
  accepted(
    'properties twice, which are not merged',
    '"properties":{"x":1},"properties":{"y":2}',
    '{"y":2}',
  ),
  accepted('a property twice, the last one null', '"x":1,"x":null', '{"x":null}'),
  {
    title: 'the name twice',
    body: '{"name":"a","name":"b"}',
    status: 202,
    expectedEvents: ['{"name":"b"}'],
  },
  {
    title: 'the name twice, the last one null',
    body: '{"name":"a","name":null}',
    status: 422,
    code: 'EVENTS_INVALID',
    errors: ['0 /name NAME_MISSING'],
  },
  {
    title: 'the event id twice',
    body: '{"name":"a","event_id":"one","event_id":"two"}',
    status: 202,
    expectedEvents: ['{"name":"a","event_id":"two"}'],
  },
  {
    title: 'the list of events twice',
    body: '{"events":[{"name":"a"}],"events":[{"name":"b"}]}',
    status: 202,
    expectedEvents: ['{"name":"b"}'],
  },
  rejected(
    'a bad number and then a good one under the same key',
    '"x":1e400,"x":1',
    '/x',
    'NUMBER_UNREPRESENTABLE',
  ),
]
