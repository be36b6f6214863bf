import { accepted, type Case } from './case.ts'

const named = (title: string, written: string, name = written): Case => ({
  title: `a name ${title}`,
  body: `{"name":"${written}"}`,
  status: 202,
  expectedEvents: [`{"name":"${name}"}`],
})
const unnamed = (title: string, body: string, error: string): Case => ({
  title,
  body,
  status: 422,
  code: 'EVENTS_INVALID',
  errors: [`0 ${error}`],
})
const id = (title: string, written: string, formatted = written): Case => ({
  title: `an event id ${title}`,
  body: `{"name":"a","event_id":"${written}"}`,
  status: 202,
  expectedEvents: [`{"name":"a","event_id":"${formatted}"}`],
})
const noId = (title: string, written: string): Case =>
  unnamed(
    `an event id ${title}`,
    `{"name":"a","event_id":${written}}`,
    '/event_id EVENT_ID_INVALID',
  )

/** Valid and invalid event names and ids, and keys that resemble fields. */
export const NAMES: readonly Case[] = [
  named('in NFD is composed', 'cafe\u0301', 'café'),
  named('in NFC is left alone', 'café'),
  named('of jamo is composed', '\u1112\u1161\u11ab', '한'),
  named('with the sign of Ångström is composed', '\u212b', 'å'.toUpperCase()),
  named('with a ligature keeps it', 'ﬁle'),
  named('in full width keeps it', 'ｐａｇｅ'),
  named('among every kind of space is trimmed', '\\t\u00a0\u3000\u2028\ufeff a b \\n', 'a b'),
  named('with a zero-width space keeps it', '\u200ba'),
  named('from right to left keeps its override', '\u202eweiv\u202c'),
  named('of one emoji', '👩🏽‍🚀'),
  named('of one mark', '\u0301'),
  named('that resembles a number', '1e400'),
  named('that is a reserved key', '__proto__'),
  named('that is a method of Object', 'constructor'),
  named('with $ inside', 'a$b$'),
  named('with a $ in full width', '＄pageview'),
  named('with another currency', '€'),
  named('of 255 characters', 'n'.repeat(255)),
  named('of 255 characters that is sent as 510', 'e\u0301'.repeat(255), 'é'.repeat(255)),
  ...['$', '$pageview', ' $pageview', '\u00a0$pageview', '\\u0024pageview', '\ufeff$x'].map(
    (name) => unnamed(`the name ${name}`, `{"name":"${name}"}`, '/name NAME_RESERVED'),
  ),
  ...[
    ['', 'an empty name'],
    ['\u00a0\u3000\ufeff', 'a name of white space'],
    ['\u200b', 'a name of a zero-width space'],
    ['\u2060\u3164', 'a name that shows nothing'],
    ['a\\nb', 'a name with a line break inside'],
    ['a\\u0007b', 'a name with a control character'],
    ['n'.repeat(256), 'a name of 256 letters'],
    ['😀'.repeat(256), 'a name of 256 emoji'],
    // U+0958 becomes two characters in NFC.
    ['\u0958'.repeat(128), 'a name that exceeds 255 characters in NFC'],
  ].map(([name, title]) => unnamed(title as string, `{"name":"${name}"}`, '/name NAME_INVALID')),
  ...['true', '1', '[]', '["a"]', '{}'].map((name) =>
    unnamed(`the name ${name}, which is not a string`, `{"event":${name}}`, '/event NAME_INVALID'),
  ),

  // Keys that resemble fields
  unnamed('the key Name instead of name', '{"Name":"a"}', '/name NAME_MISSING'),
  unnamed('the key name with a trailing space', '{"name ":"a"}', '/name NAME_MISSING'),
  unnamed('the key name with a Cyrillic letter', '{"nаme":"a"}', '/name NAME_MISSING'),
  unnamed('the key name in full width', '{"ｎａｍｅ":"a"}', '/name NAME_MISSING'),
  unnamed('a name on the prototype', '{"constructor":{"name":"a"}}', '/name NAME_MISSING'),
  accepted('keys that resemble fields', '"Event_ID":"x","valuе":"5","time":"now"'),
  {
    title: 'synonyms of a field, of which the first is used and the others are properties',
    body: '{"name":"n","event":"e","event_type":"t","userId":"u","actor":"a","timestamp":0,"occurred_at":null}',
    key: { may_import_history: true },
    path: '/v1/events?historical=true',
    status: 202,
    expectedEvents: [
      '{"name":"t","actor":"a","occurred_at":"1970-01-01T00:00:00Z","properties":{"name":"n","event":"e","userId":"u"}}',
    ],
  },

  // Ids
  id('of one character', '~'),
  id('of 128 characters', 'i'.repeat(128)),
  id('with every punctuation character', "!#$%&'()*+,-./:;<=>?@[]^_`{|}"),
  id(
    'that is a UUID in capitals',
    'FFFFFFFF-AAAA-4BBB-8CCC-0123456789AB',
    'ffffffff-aaaa-4bbb-8ccc-0123456789ab',
  ),
  id('that is almost a UUID', 'FFFFFFFF-AAAA-4BBB-8CCC-0123456789A'),
  id('that is a UUID in braces', '{FFFFFFFF-AAAA-4BBB-8CCC-0123456789AB}'),
  id('that is a UUID without dashes', 'FFFFFFFFAAAA4BBB8CCC0123456789AB'),
  noId('of 129 characters', `"${'i'.repeat(129)}"`),
  noId('with a tab', '"a\\tb"'),
  noId('with DEL', '"a\u007f"'),
  noId('in full width', '"ａ"'),
  noId('with a zero-width space', '"a\u200b"'),
  noId('with a trailing space', '"a "'),
  noId('that is true', 'true'),
  noId('that is an object', '{}'),
]
