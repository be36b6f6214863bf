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
const half = 'STRING_UNSTORABLE'

/** Every kind of text arrives letter by letter, or is refused by name and place. */
export const TEXTS: readonly Case[] = [
  text('every control character but NUL, as escapes', `"${escaped(1, 0x1f)}"`),
  text('the control characters that JSON takes as they are', `"${codes(0x7f, 0x9f)}"`),
  text('short escapes', raw`"\"\\\/\b\f\n\r\t"`),
  text('letters as escapes', raw`"\u0041\u00e4\u20ac"`),
  text('what is no character', `"${codes(0xfdd0, 0xfdef)}\ufffe\uffff\u{1fffe}\u{10ffff}"`),
  text('the mark of UTF-8 inside', '"a\ufeffb"'),
  text('line and paragraph separators', '"\u2028\u2029"'),
  text('from right to left, and overrides', '"שלום \u202eabc\u202c \u2066x\u2069"'),
  text('zero width', '"a\u200b\u200c\u200d\u2060b"'),
  text('what combines stays apart', '"e\u0301 a\u0308 \u1100\u1161"'),
  text('what is composed stays composed', '"é ä 가"'),
  text('a hundred marks on one letter', `"a${'\u0301'.repeat(100)}"`),
  text('emoji of many parts', '"👩🏽‍🚀🏴󠁧󠁢󠁥󠁮󠁧󠁿🇩🇪"'),
  text('beyond the basic plane, plain and escaped', raw`"𝒳\ud835\udcb3"`),
  text('private use', `"\ue000\u{f0000}"`),
  text('what is no escape, but looks like one', raw`"\\u0000 \\ud83d"`),
  text(
    'words of other languages',
    '"NaN undefined null 1e400 __proto__ {{x}} \' OR 1=1 -- <b>&amp;"',
  ),
  text('60,000 characters', `"${'x'.repeat(60_000)}"`),
  text('20,000 characters of three bytes', `"${'€'.repeat(20_000)}"`),
  text('the empty text', '""'),

  rejected('NUL in a list in an object', raw`"p":{"x":[1,"\u0000"]}`, '/p/x/1', half),
  rejected('NUL behind a kilobyte', raw`"x":"${'y'.repeat(1_000)}\u0000"`, '/x', half),
  rejected('NUL in the actor', raw`"user_id":"\u0000"`, '/user_id', half),
  rejected('NUL in the session', raw`"session":"a\u0000"`, '/session', half),
  rejected('NUL in the source', raw`"source":"\u0000a"`, '/source', half),
  rejected('NUL in the context', raw`"context":{"a":"\u0000"}`, '/context/a', half),
  rejected('NUL in a key of the context', raw`"metadata":{"\u0000":1}`, '/metadata/\0', half),
  rejected('NUL in the event id', raw`"event_id":"\u0000"`, '/event_id', 'EVENT_ID_INVALID'),
  rejected(
    'NUL in the schema version',
    raw`"schema_version":"\u0000"`,
    '/schema_version',
    'SCHEMA_VERSION_INVALID',
  ),
  rejected('a first half alone', raw`"x":"\ud83d"`, '/x', half),
  rejected('a second half alone', raw`"x":"\ude00"`, '/x', half),
  rejected('halves the wrong way round', raw`"x":"\ude00\ud83d"`, '/x', half),
  rejected('a first half before a letter', raw`"x":"\ud83dx"`, '/x', half),
  rejected('two first halves and a second', raw`"x":"\ud83d\ud83d\ude00"`, '/x', half),
  rejected('half a pair as key', raw`"p":{"\ud83d":1}`, '/p/\ufffd', half),
  rejected(
    'half a pair at the end of a long text',
    raw`"x":"${'y'.repeat(999)}\udbff"`,
    '/x',
    half,
  ),
  {
    title: 'half a pair in the name',
    body: raw`{"name":"\udfff"}`,
    status: 422,
    code: 'EVENTS_INVALID',
    errors: [`0 /name ${half}`],
  },

  // Keys
  accepted('an empty key', '"":1'),
  accepted(
    'keys that every object has',
    '"constructor":1,"toString":2,"valueOf":3,"hasOwnProperty":4',
  ),
  accepted(
    'keys that objects used to have',
    '"__defineGetter__":1,"__lookupSetter__":2,"prototype":3',
  ),
  accepted('keys that mean something to JavaScript', '"then":1,"toJSON":2,"length":3,"0":4'),
  accepted('keys that begin with $', '"properties":{"$set":{"$x":1}}', '{"$set":{"$x":1}}'),
  accepted('__proto__ with a letter from Cyrillic', '"__рroto__":1'),
  accepted('__proto__ in full width', '"＿＿proto＿＿":1'),
  accepted('__proto__ with a space', '"__proto__ ":1,"__PROTO__":2'),
  accepted('two keys that look the same, composed and not', '"é":1,"e\u0301":2'),
  accepted('two keys that differ in nothing one sees', '"a":1,"a\u200b":2'),
  accepted('a key from right to left', '"\u202eemos":1'),
  accepted('keys with the signs of a pointer', '"a/b":1,"~0":{"~1":2},"/":3'),
  // V8 takes an escaped key for the beginning of its own escape when it saw that one before.
  accepted('a key of one backslash', raw`"k":1,"\\":2`),
  accepted('an escaped key in its place', raw`"k":1,"\u540d":2`, '{"k":1,"名":2}'),
  accepted('a key of a backslash and u', raw`"k":1,"\\u":2`),
  accepted('two escapes in its place', raw`"k":1,"\u4e2d\u6587":2`, '{"k":1,"中文":2}'),
  rejected('an escaped NUL in its place', raw`"k":1,"\u0000":2`, '/\0', half),
  accepted('a key of 256 characters', `"${'k'.repeat(256)}":1`),
  rejected('__proto__ in disguise', raw`"\u005f_proto__":1`, '/__proto__', 'KEY_RESERVED'),
  rejected('__proto__ that is null', '"__proto__":null', '/__proto__', 'KEY_RESERVED'),
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
  rejected('the place is told as a pointer', raw`"p":{"a/b~c":["\u0000"]}`, '/p/a~1b~0c/0', half),

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
