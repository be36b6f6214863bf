import { accepted, type Case, rejected } from './case.ts'

const bad = 'NUMBER_UNREPRESENTABLE'
const value = (written: string, formatted = written): Case => ({
  title: `the value ${written}`,
  body: `{"name":"a","value":${written}}`,
  status: 202,
  expectedEvents: [`{"name":"a","value":${formatted}}`],
})

/** Every number arrives unchanged or is rejected with its pointer. */
export const NUMBERS: readonly Case[] = [
  ...[
    '0',
    '0.1',
    '-0.1',
    '1e5',
    '1E+5',
    '1e-7',
    '5e-324',
    '2.2250738585072014e-308',
    '1.7976931348623157e308',
    '9007199254740991',
    '-9007199254740991',
    '9007199254740992',
    '9007199254740994',
    '100000000000000000000',
    '1e21',
    '123456789.123456789',
    '1.0',
    '0.30000000000000004',
  ].map((written) => accepted(`the number ${written}`, `"x":${written}`)),
  // Neither JSON parsers nor jsonb keep the sign of zero.
  accepted('the number -0', '"x":-0', '{"x":0}'),
  accepted('zero in long notations', '"x":[0e999,0.000e-999,-0.0]', '{"x":[0,0,0]}'),
  accepted(
    'a fraction that becomes the nearest double',
    '"x":0.1000000000000000055511151231257827',
    '{"x":0.1}',
  ),
  accepted('a very small fraction that becomes the nearest double', '"x":3e-324', '{"x":5e-324}'),
  ...[
    '9007199254740993',
    '-9007199254740993',
    '18446744073709551615',
    '-9223372036854775807',
    '12345678901234567890',
    '1e309',
    '-1e309',
    '1.7976931348623159e308',
    '1e400',
    '1e-400',
    '2e-324',
    '-2e-324',
    `1${'0'.repeat(400)}`,
    `0.${'0'.repeat(400)}1`,
    '1e99999999999999999999',
  ].map((written) => rejected(`the number ${written.slice(0, 30)}`, `"x":${written}`, '/x', bad)),
  rejected('a bad number in a list in an object', '"p":{"q":[0,[1e400]]}', '/p/q/1/0', bad),
  rejected('a bad number in the context', '"context":{"n":1e400}', '/context/n', bad),
  rejected('a bad number as value', '"value":-1e400', '/value', bad),
  rejected('a bad number as time, which is its only error', '"timestamp":1e400', '/timestamp', bad),
  rejected(
    'a bad number as actor, which is its only error',
    '"user_id":9007199254740993',
    '/user_id',
    bad,
  ),
  {
    title: 'an event with several bad numbers',
    body: '{"name":"a","x":1e400,"p":{"y":[1e400]},"value":1e400}',
    status: 422,
    code: 'EVENTS_INVALID',
    errors: [`0 /x ${bad}`, `0 /p/y/0 ${bad}`, `0 /value ${bad}`],
  },

  // The value field
  ...['0', '-1', '0.5', '1e290', '-1e290', '5e-324', '123456789012345'].map((written) =>
    value(written),
  ),
  value('-0', '0'),
  value('1.0', '1'),
  ...['1e291', '-1.1e290', '"1"', 'true', '[]', '{}', '""'].map((written) =>
    rejected(`the value ${written}`, `"value":${written}`, '/value', 'VALUE_INVALID'),
  ),
  {
    title: 'a null value, which counts as not sent',
    body: '{"name":"a","value":null}',
    status: 202,
    expectedEvents: ['{"name":"a"}'],
  },

  // Numbers in text fields
  ...(['actor', 'session', 'source'] as const).map(
    (field): Case => ({
      title: `a whole number as ${field}`,
      body: `{"name":"a","${field}":9007199254740991}`,
      status: 202,
      expectedEvents: [`{"name":"a","${field}":"9007199254740991"}`],
    }),
  ),
  {
    title: 'a whole number as schema version',
    body: '{"name":"a","schema_version":2}',
    status: 202,
    expectedEvents: ['{"name":"a","schema_version":"2"}'],
  },
  rejected('the actor 1e16', '"actor":1e16', '/actor', 'ACTOR_INVALID'),
  rejected('the actor 0.5', '"actor":0.5', '/actor', 'ACTOR_INVALID'),
  rejected('the actor true', '"actor":true', '/actor', 'ACTOR_INVALID'),
  rejected(
    'the schema version 1.5',
    '"schema_version":1.5',
    '/schema_version',
    'SCHEMA_VERSION_INVALID',
  ),
]
