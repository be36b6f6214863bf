import { accepted, type Case, rejected } from './case.ts'

const text = (title: string, written: string) => accepted(title, `"x":${written}`)
const raw = String.raw
const codes = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => String.fromCodePoint(from + i)).join('')
const escaped = (from: number, to: number) =>
  Array.from(
    { length: to - from + 1 },
    (_, i) => `\\u${(from + i).toString(16).padStart(4, '0')}`,
  ).join('')
const unstorable = 'STRING_UNSTORABLE'

/** Every kind of text arrives unchanged or is rejected with its pointer. */
export const TEXTS: readonly Case[] = [
  text('every control character but NUL, as escapes', `"${escaped(1, 0x1f)}"`),
  text('control characters that JSON allows unescaped', `"${codes(0x7f, 0x9f)}"`),
  text('short escapes', raw`"\"\\\/\b\f\n\r\t"`),
  text('letters as escapes', raw`"\u0041\u00e4\u20ac"`),
  text('noncharacters of Unicode', `"${codes(0xfdd0, 0xfdef)}\ufffe\uffff\u{1fffe}\u{10ffff}"`),
  text('a byte order mark inside', '"a\ufeffb"'),
  text('line and paragraph separators', '"\u2028\u2029"'),
  text('right-to-left text and overrides', '"שלום \u202eabc\u202c \u2066x\u2069"'),
  text('zero-width characters', '"a\u200b\u200c\u200d\u2060b"'),
  text('combining characters, which stay decomposed', '"e\u0301 a\u0308 \u1100\u1161"'),
  text('composed characters, which stay composed', '"é ä 가"'),
  text('a hundred marks on one letter', `"a${'\u0301'.repeat(100)}"`),
  text('emoji of several code points', '"👩🏽‍🚀🏴󠁧󠁢󠁥󠁮󠁧󠁿🇩🇪"'),
  text('characters beyond the basic plane, plain and escaped', raw`"𝒳\ud835\udcb3"`),
  text('private-use characters', `"\ue000\u{f0000}"`),
  text('escaped backslashes that resemble escapes', raw`"\\u0000 \\ud83d"`),
  text(
    'syntax of other languages',
    '"NaN undefined null 1e400 __proto__ {{x}} \' OR 1=1 -- <b>&amp;"',
  ),
  text('60,000 characters', `"${'x'.repeat(60_000)}"`),
  text('20,000 characters of three bytes', `"${'€'.repeat(20_000)}"`),
  text('an empty text', '""'),

  rejected('NUL in a list in an object', raw`"p":{"x":[1,"\u0000"]}`, '/p/x/1', unstorable),
  rejected('NUL after a kilobyte', raw`"x":"${'y'.repeat(1_000)}\u0000"`, '/x', unstorable),
  rejected('NUL in the actor', raw`"user_id":"\u0000"`, '/user_id', unstorable),
  rejected('NUL in the session', raw`"session":"a\u0000"`, '/session', unstorable),
  rejected('NUL in the source', raw`"source":"\u0000a"`, '/source', unstorable),
  rejected('NUL in the context', raw`"context":{"a":"\u0000"}`, '/context/a', unstorable),
  rejected('NUL in a key of the context', raw`"metadata":{"\u0000":1}`, '/metadata/\0', unstorable),
  rejected('NUL in the event id', raw`"event_id":"\u0000"`, '/event_id', 'EVENT_ID_INVALID'),
  rejected(
    'NUL in the schema version',
    raw`"schema_version":"\u0000"`,
    '/schema_version',
    'SCHEMA_VERSION_INVALID',
  ),
  rejected('a lone high surrogate', raw`"x":"\ud83d"`, '/x', unstorable),
  rejected('a lone low surrogate', raw`"x":"\ude00"`, '/x', unstorable),
  rejected('surrogates in the wrong order', raw`"x":"\ude00\ud83d"`, '/x', unstorable),
  rejected('a high surrogate before a letter', raw`"x":"\ud83dx"`, '/x', unstorable),
  rejected('two high surrogates and a low one', raw`"x":"\ud83d\ud83d\ude00"`, '/x', unstorable),
  rejected('a lone surrogate in a key', raw`"p":{"\ud83d":1}`, '/p/\ufffd', unstorable),
  rejected(
    'a lone surrogate at the end of a long text',
    raw`"x":"${'y'.repeat(999)}\udbff"`,
    '/x',
    unstorable,
  ),
  {
    title: 'a lone surrogate in the name',
    body: raw`{"name":"\udfff"}`,
    status: 422,
    code: 'EVENTS_INVALID',
    errors: [`0 /name ${unstorable}`],
  },

  // Keys
  accepted('an empty key', '"":1'),
  accepted(
    'keys that are methods of Object',
    '"constructor":1,"toString":2,"valueOf":3,"hasOwnProperty":4',
  ),
  accepted(
    'keys that are legacy members of Object',
    '"__defineGetter__":1,"__lookupSetter__":2,"prototype":3',
  ),
  accepted('keys with a meaning in JavaScript', '"then":1,"toJSON":2,"length":3,"0":4'),
  accepted('keys that begin with $', '"properties":{"$set":{"$x":1}}', '{"$set":{"$x":1}}'),
  accepted('__proto__ with a Cyrillic letter', '"__рroto__":1'),
  accepted('__proto__ in full width', '"＿＿proto＿＿":1'),
  accepted('__proto__ with a space', '"__proto__ ":1,"__PROTO__":2'),
  accepted('two keys that differ in composition only', '"é":1,"e\u0301":2'),
  accepted('two keys that differ in an invisible character', '"a":1,"a\u200b":2'),
  accepted('a key with a right-to-left override', '"\u202eemos":1'),
  accepted('keys with the special characters of JSON pointers', '"a/b":1,"~0":{"~1":2},"/":3'),
  // V8 misreads an escaped key after certain other keys; see parseExactly.
  accepted('a key of one backslash', raw`"k":1,"\\":2`),
  accepted('an escaped key at its position', raw`"k":1,"\u540d":2`, '{"k":1,"名":2}'),
  accepted('a key of a backslash and u', raw`"k":1,"\\u":2`),
  accepted('two escapes at its position', raw`"k":1,"\u4e2d\u6587":2`, '{"k":1,"中文":2}'),
  rejected('an escaped NUL at its position', raw`"k":1,"\u0000":2`, '/\0', unstorable),
  accepted('a key of 256 characters', `"${'k'.repeat(256)}":1`),
  rejected('__proto__ with an escape', raw`"\u005f_proto__":1`, '/__proto__', 'KEY_RESERVED'),
  rejected('a null __proto__', '"__proto__":null', '/__proto__', 'KEY_RESERVED'),
  rejected(
    '__proto__ in the context',
    '"context":{"__proto__":{}}',
    '/context/__proto__',
    'KEY_RESERVED',
  ),
  rejected(
    '__proto__ in a list of lists',
    '"p":[[{"__proto__":1}]]',
    '/p/0/0/__proto__',
    'KEY_RESERVED',
  ),
  rejected(
    'a long key in the context',
    `"context":{"${'k'.repeat(257)}":1}`,
    `/context/${'k'.repeat(257)}`,
    'KEY_TOO_LONG',
  ),
  rejected(
    'NUL below keys that a pointer escapes',
    raw`"p":{"a/b~c":["\u0000"]}`,
    '/p/a~1b~0c/0',
    unstorable,
  ),

  // Depth and width
  accepted('32 levels of objects', `"p":${'{"a":'.repeat(31)}1${'}'.repeat(31)}`),
  rejected(
    '33 levels of objects',
    `"p":${'{"a":'.repeat(32)}1${'}'.repeat(32)}`,
    `/p${'/a'.repeat(31)}`,
    'TOO_DEEP',
  ),
  rejected(
    '33 levels in the context',
    `"context":{"p":${'['.repeat(32)}${']'.repeat(32)}}`,
    `/context/p${'/0'.repeat(31)}`,
    'TOO_DEEP',
  ),
  rejected(
    'one key too many, over properties and context together',
    `"x":1,"properties":{${keys(500)}},"context":{${keys(500)}}`,
    '/context/k499',
    'TOO_MANY_KEYS',
  ),
  accepted('a list of 10,000', `"p":[${Array(10_000).fill('0').join()}]`),
  accepted('a list of 10,000 empty lists', `"p":[${Array(10_000).fill('[]').join()}]`),
]

function keys(count: number): string {
  return Array.from({ length: count }, (_, i) => `"k${i}":${i}`).join()
}
