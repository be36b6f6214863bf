import fc from 'fast-check'

/** Texts that have broken software before. */
const NASTY = [
  ...['', ' ', '\0', 'a\0b', '\ud83d', '\udc00x', '😀', 'e\u0301', '\ufeff', '\u200b', '\u202e'],
  ...['__proto__', 'constructor', 'toString', '$', '$x', ' $x', 'null', 'NaN', '-0', '1e400'],
  ...['"', '\\', '\\u0000', '/', '~', '{}', '[]', '\u2028', '\uffff', '\u007f', '٣'],
]
const text = fc.oneof(
  fc.constantFrom(...NASTY),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 300 }),
)
const number = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom(0, -0, 1e21, 2 ** 53, 2 ** 60, 5e-324, 1.7976931348623157e308, 1e290, 1e291),
)

/** Object.fromEntries instead of assignments: a key may be __proto__. */
const objectOf = <T>(entries: fc.Arbitrary<[string, T][]>) =>
  entries.map((found) => Object.fromEntries(found))

const { json } = fc.letrec((again) => ({
  json: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.oneof(fc.constant(null), fc.boolean(), number, text),
    fc.array(again('json'), { maxLength: 4 }),
    objectOf(fc.array(fc.tuple(text, again('json')), { maxLength: 4 })),
  ),
}))

const pad = (value: number, length = 2) => String(value).padStart(length, '0')
/** RFC 3339 in every notation, often slightly invalid. */
const time = fc
  .tuple(
    fc.tuple(fc.integer({ min: 0, max: 9999 }), fc.nat(13), fc.nat(32)),
    fc.tuple(fc.nat(24), fc.nat(60), fc.nat(61)),
    fc.option(fc.string({ unit: fc.constantFrom(...'0123456789'), maxLength: 13 })),
    fc.oneof(
      fc.constantFrom('Z', 'z', '', '+00:00', '-00:00', '+14:00', '+05:45', '-23:59', '+24:00'),
      fc
        .tuple(fc.constantFrom('+', '-'), fc.nat(25), fc.nat(60))
        .map(([sign, hours, minutes]) => [sign, pad(hours), ':', pad(minutes)].join('')),
    ),
    fc.constantFrom('T', 't', ' ', '_'),
  )
  .map(([[year, month, day], [hour, minute, second], fraction, offset, between]) =>
    [
      `${pad(year, 4)}-${pad(month)}-${pad(day)}`,
      between,
      `${pad(hour)}:${pad(minute)}:${pad(second)}`,
      fraction === null ? '' : `.${fraction}`,
      offset,
    ].join(''),
  )
const epoch = fc.oneof(
  fc.integer({ min: -62_135_596_900, max: 99_999_999_999 }),
  fc.integer({ min: 10 ** 11, max: 10 ** 14 }),
  fc.maxSafeInteger(),
  fc.double({ min: -1e11, max: 1e14, noNaN: true }),
)

/** Likely values for each field, so that many events are valid. */
const LIKELY: Record<string, fc.Arbitrary<unknown>> = {
  event_id: fc.oneof(
    fc.uuid(),
    fc.uuid().map((id) => id.toUpperCase()),
    text,
  ),
  name: text,
  occurred_at: fc.oneof(
    time,
    epoch,
    fc.date({ noInvalidDate: true }).map((date) => date.toJSON()),
  ),
  actor: fc.oneof(text, number),
  session: fc.oneof(text, number),
  source: text,
  value: number,
  properties: objectOf(fc.array(fc.tuple(text, json), { maxLength: 6 })),
  context: objectOf(fc.array(fc.tuple(text, json), { maxLength: 3 })),
  schema_version: fc.oneof(text, fc.nat(20)),
}
const NAMES: Record<string, string[]> = {
  event_id: ['event_id', 'eventId'],
  name: ['event_name', 'eventType', 'event', 'name'],
  occurred_at: ['occurred_at', 'timestamp'],
  actor: ['actor', 'user_id', 'userId'],
  session: ['session', 'session_id'],
  source: ['source'],
  value: ['value'],
  properties: ['properties', 'payload'],
  context: ['context', 'metadata'],
  schema_version: ['schema_version', 'schemaVersion'],
}
const member = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .constantFrom(...Object.keys(NAMES))
      .chain((field) =>
        fc.tuple(
          fc.constantFrom(...(NAMES[field] as string[])),
          fc.oneof(
            { weight: 9, arbitrary: LIKELY[field] as fc.Arbitrary<unknown> },
            { weight: 1, arbitrary: json },
          ),
        ),
      ),
  },
  { weight: 1, arbitrary: fc.tuple(fc.oneof(text, fc.constantFrom('x', 'page')), json) },
)
const wordy = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 })

/** Any JSON value that JSON.parse can return. */
export const anyJson: fc.Arbitrary<unknown> = json

/** Mostly objects with the fields of an event, about half of them valid. */
export const sentEvent: fc.Arbitrary<unknown> = fc.oneof(
  {
    weight: 19,
    arbitrary: fc
      .tuple(
        fc.array(member as fc.Arbitrary<[string, unknown]>, { maxLength: 6 }),
        fc.option(wordy, { freq: 4 }),
      )
      .map(([members, name]) =>
        Object.fromEntries(name === null ? members : [...members, ['event', `e${name}`]]),
      ),
  },
  { weight: 1, arbitrary: json },
)

const TOKENS = [
  ...['{', '}', '[', ']', '"', ':', ',', '\\', '\\u0000', '\\ud83d', '\n', '\0', '\ufeff', ' '],
  ...['null', 'true', '1e400', '-', '.', '0', '9007199254740993', '1e-400', '"__proto__":1,'],
  ...['"name":"b",', '"event":5,', '"x":', '{"event":"a"},', '//', 'NaN', "'"],
]

/** Text with parts removed, inserted or duplicated. */
export function mutated(of: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const step = fc.tuple(
    fc.nat(0xffff),
    fc.nat(6),
    fc.oneof(fc.constant(''), fc.constantFrom(...TOKENS), text),
  )
  return fc.tuple(of, fc.array(step, { minLength: 1, maxLength: 4 })).map(([start, steps]) =>
    steps
      .reduce((now, [at, cut, put]) => {
        const from = now.length === 0 ? 0 : at % now.length
        return now.slice(0, from) + put + now.slice(from + cut)
      }, start)
      .toWellFormed(),
  )
}
