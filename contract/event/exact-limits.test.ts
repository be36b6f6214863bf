import { describe, expect, test } from 'vitest'
import { LIMITS } from '../limits.ts'
import { readBatch } from './batch.ts'
import { type NormaliseContext, normalise } from './normalise.ts'
import { findUnstorable, isStorable } from './storable.ts'

// At each limit and one beyond it: the values between which a wrong comparison hides.

const context: NormaliseContext = {
  receivedAt: '2026-11-21T09:00:00.123Z',
  eventId: (index) => `made-${index}`,
}
/** `pointer CODE` of each error; the event's JSON where there is none. */
function read(raw: unknown, more: Partial<NormaliseContext> = {}, index?: number) {
  const found = normalise(raw, { ...context, ...more }, index)
  return found.ok ? found.json : found.errors.map(({ pointer, code }) => `${pointer} ${code}`)
}
const isAccepted = (fields: object) => typeof read({ name: 'a', ...fields }) === 'string'
const EMOJI = '😀'

test.each([
  ['event_id', LIMITS.eventIdCharsMax, 'x'],
  ['name', LIMITS.eventNameCharsMax, 'x'],
  ['name', LIMITS.eventNameCharsMax, EMOJI],
  ['actor', LIMITS.labelCharsMax, 'x'],
  ['session', LIMITS.labelCharsMax, EMOJI],
  ['source', LIMITS.labelCharsMax, 'ä'],
  ['schema_version', LIMITS.schemaVersionCharsMax, 'x'],
])('%s takes %d characters, and not one more', (field, max, char) => {
  expect(isAccepted({ [field]: char.repeat(max) })).toBe(true)
  expect(isAccepted({ [field]: char.repeat(max + 1) })).toBe(false)
  expect(isAccepted({ [field]: char.repeat(2 * max + 1) })).toBe(false)
})

test('a value is as large as the limit in both directions, and never infinite', () => {
  for (const sign of [1, -1]) {
    expect(isAccepted({ value: sign * LIMITS.valueMax })).toBe(true)
    expect(read({ name: 'a', value: sign * LIMITS.valueMax * 1.001 })).toEqual([
      '/value VALUE_INVALID',
    ])
    expect(read({ name: 'a', value: sign * Number.POSITIVE_INFINITY })).toEqual([
      '/value NUMBER_UNREPRESENTABLE',
    ])
  }
  expect(read({ name: 'a', value: '1' })).toEqual(['/value VALUE_INVALID'])
})

test('a schema version is one that the tenant allows, and the error lists twenty of them', () => {
  const schemaVersions = Array.from({ length: 30 }, (_, i) => `v${i}`)
  expect(read({ name: 'a', schema_version: 'v29' }, { schemaVersions })).toContain(
    '"schema_version":"v29"',
  )
  const found = normalise({ name: 'a', schema_version: 'v30' }, { ...context, schemaVersions })
  expect(found).toMatchObject({
    errors: [{ pointer: '/schema_version', code: 'SCHEMA_VERSION_NOT_ALLOWED' }],
  })
  expect(!found.ok && found.errors[0]?.detail).toMatch(/allows: v0, .*, v19$/)
  expect(read({ name: 'a', schema_version: 'v30' }, { schemaVersions: null })).toContain('v30')
  expect(read({ name: 'a', schema_version: 3 }, { schemaVersions: ['3'] })).toContain(
    '"schema_version":"3"',
  )
  for (const invalid of ['', 'a b', 'ä', 1.5, true])
    expect(read({ name: 'a', schema_version: invalid })).toEqual([
      '/schema_version SCHEMA_VERSION_INVALID',
    ])
})

test.each([
  ['a line break', 'a\u2028b'],
  ['a control character', 'a\u0085b'],
  ['nothing visible', '\u200b\u2800'],
  ['nothing at all', '  '],
])('a name with %s is invalid', (_, name) => {
  expect(read({ name })).toEqual(['/name NAME_INVALID'])
})

test('reserved names are refused, and those that begin with $ are left to sending libraries', () => {
  for (const name of ['*', '(other)', '$pageview', ' * '])
    expect(read({ name })).toEqual(['/name NAME_RESERVED'])
  expect(read({ name: '$pageview' }, { systemName: true })).toContain('"name":"$pageview"')
  expect(read({ name: '*' }, { systemName: true })).toEqual(['/name NAME_RESERVED'])
  expect(read({ name: 'a$' })).toContain('"name":"a$"')
})

test('an event without a name is an error even where everything else is right', () => {
  expect(read({})).toEqual(['/name NAME_MISSING'])
  expect(read({ name: null, value: 1 })).toEqual(['/name NAME_MISSING'])
  for (const raw of [null, [], 'text', 1]) expect(read(raw)).toEqual([' EVENT_NOT_OBJECT'])
})

test('the first synonym wins in either order, and the other one stays as a property', () => {
  const both = ['{"event":"signup","name":"Ada"}', '{"name":"Ada","event":"signup"}'].map((json) =>
    read(JSON.parse(json)),
  )
  for (const json of both)
    expect(JSON.parse(json as string)).toMatchObject({
      name: expect.any(String),
      properties: expect.any(Object),
    })
  const [a, b] = both.map((json) => JSON.parse(json as string))
  expect(a).toEqual(b)
  expect(Object.keys(a.properties)).toHaveLength(1)
})

test('the event id is made from the place in the batch, and a UUID is written in lower case', () => {
  expect(read({ name: 'a' }, {}, 7)).toContain('"event_id":"made-7"')
  expect(read({ name: 'a' })).toContain('"event_id":"made-0"')
  expect(read({ name: 'a', event_id: '0192A1B2-0000-7000-8000-000000000001' })).toContain(
    '"0192a1b2-',
  )
  expect(read({ name: 'a', event_id: 'ABC' })).toContain('"event_id":"ABC"')
})

test('a time is corrected where the client gave one, and both are kept', () => {
  const sent = { name: 'a', timestamp: '2026-11-21T08:00:00.5Z' }
  const shifted = normalise(sent, { ...context, shiftMs: 60_000 })
  expect(shifted).toMatchObject({
    occurredMs: Date.parse('2026-11-21T08:01:00.5Z'),
    event: {
      occurred_at: '2026-11-21T08:01:00.500Z',
      client_occurred_at: '2026-11-21T08:00:00.5Z',
    },
  })
  expect(shifted.ok && shifted.json).toBe(shifted.ok && JSON.stringify(shifted.event))
  expect(normalise(sent, context)).toMatchObject({ occurredMs: Date.parse(sent.timestamp) })
  expect(read(sent)).not.toContain('client_occurred_at')
  const none = normalise({ name: 'a' }, { ...context, shiftMs: 60_000 })
  expect(none).toMatchObject({ occurredMs: undefined, event: { occurred_at: context.receivedAt } })
  expect(none.ok && none.json).not.toContain('client_occurred_at')
  // A correction that leaves the years 1 to 9999 corrects nothing.
  const first = { name: 'a', timestamp: '0001-01-01T00:00:00Z' }
  expect(normalise(first, { ...context, shiftMs: -1 })).toMatchObject({
    event: { occurred_at: first.timestamp },
  })
})

test('an event has as many bytes as the limit, measured as UTF-8', () => {
  const empty = (read({ name: 'a', properties: { x: '' } }) as string).length
  const sized = (text: string) => ({ name: 'a', properties: { x: text } })
  const room = LIMITS.eventBytesMax - empty
  expect(read(sized('x'.repeat(room)))).toHaveLength(LIMITS.eventBytesMax)
  expect(read(sized('x'.repeat(room + 1)))).toEqual([' EVENT_TOO_LARGE'])
  const wide = '€'.repeat(Math.floor(room / 3)) + 'x'.repeat(room % 3)
  expect(typeof read(sized(wide))).toBe('string')
  expect(read(sized(`${wide}x`))).toEqual([' EVENT_TOO_LARGE'])
  // So few characters that no measure is needed.
  expect(typeof read(sized('€'.repeat(100)))).toBe('string')
})

test('a property that is sent twice conflicts where the values differ, in any depth', () => {
  const twice = (extra: unknown, declared: unknown) =>
    read({ name: 'a', x: extra, properties: { x: declared } })
  expect(twice(1, 1)).toContain('"properties":{"x":1}')
  expect(twice({ a: [1] }, { a: [1] })).toContain('"properties":{"x":{"a":[1]}}')
  expect(twice(1, 2)).toEqual(['/x PROPERTY_CONFLICT'])
  expect(twice({ a: [1] }, { a: [2] })).toEqual(['/x PROPERTY_CONFLICT'])
  expect(read({ name: 'a', x: 1, properties: { y: 2 } })).toContain('"properties":{"x":1,"y":2}')
})

const nested = (levels: number, leaf: unknown = 1): unknown =>
  Array.from({ length: levels }).reduce(
    (inner: unknown, _, i) => ((levels - i) % 2 ? { a: inner } : [inner]),
    leaf,
  )
const keys = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 1]))
const { propertiesDepthMax: depth, propertiesKeysMax: count, propertyKeyCharsMax: chars } = LIMITS

describe('what cannot be stored is found by the quick check and by the one that names it', () => {
  test.each([
    ['the deepest value', nested(depth), undefined],
    ['the deepest null', nested(depth, null), undefined],
    ['the deepest truth', nested(depth, true), undefined],
    ['a value one level deeper', nested(depth + 1), 'TOO_DEEP'],
    ['as many keys as allowed', keys(count), undefined],
    ['one key more', keys(count + 1), 'TOO_MANY_KEYS'],
    ['one key more in another level', { ...keys(count - 1), x: [{ y: 1 }] }, 'TOO_MANY_KEYS'],
    ['the longest key', { ['x'.repeat(chars)]: 1 }, undefined],
    ['a longer key', { ['x'.repeat(chars + 1)]: 1 }, 'KEY_TOO_LONG'],
    ['the key __proto__', JSON.parse('{"a":{"__proto__":1}}'), 'KEY_RESERVED'],
    ['NUL in a string', { a: ['x\0'] }, 'STRING_UNSTORABLE'],
    ['NUL in a key', { 'a\0': 1 }, 'STRING_UNSTORABLE'],
    ['half a surrogate pair', { a: '\ud800' }, 'STRING_UNSTORABLE'],
    ['half a surrogate pair in a key', { '\udc00': 1 }, 'STRING_UNSTORABLE'],
    ['an infinite number', { a: [1, Number.NEGATIVE_INFINITY] }, 'NUMBER_UNREPRESENTABLE'],
    [
      'every kind of value',
      { a: null, b: true, c: [], d: {}, e: '', f: -0, g: [null, [false]] },
      undefined,
    ],
  ])('%s', (_, value, code) => {
    expect(findUnstorable(value, ['properties'], { keys: count })?.code).toBe(code)
    expect(isStorable(value, { keys: count })).toBe(code === undefined)
    const found = read({ name: 'a', context: value })
    if (code === undefined) expect(found).toContain('"context":')
    else expect(found).toEqual([expect.stringMatching(new RegExp(`^/context.* ${code}$`))])
  })

  test('strings of a text without escapes need no check, everything else does', () => {
    const quick = (value: unknown) => isStorable(value, { keys: count, hasNoEscapes: true })
    expect(quick({ 'a\0': ['b\0'] })).toBe(true)
    expect(quick({ a: Number.NaN })).toBe(false)
    expect(quick(nested(depth + 1))).toBe(false)
  })

  test('keys are counted over properties, extra fields and context together', () => {
    const parts = (extra: number) => ({
      name: 'a',
      ...keys(extra),
      properties: { p: 1 },
      context: { c: 1 },
    })
    expect(typeof read(parts(count - 2))).toBe('string')
    expect(read(parts(count - 1))).toEqual(['/context/c TOO_MANY_KEYS'])
  })

  test('the pointer leads to the value, with indexes, and is cut at 1,024 characters', () => {
    const at = (value: unknown) => findUnstorable(value, ['properties'], { keys: count })?.pointer
    expect(at({ ok: [1], list: [0, { 'a/b~': 'x\0' }] })).toBe('/properties/list/1/a~1b~0')
    expect(at({ a: { b: 1 }, c: [[1], '\0'] })).toBe('/properties/c/1')
    const long = Array.from({ length: 6 }).reduce(
      (inner: unknown) => ({ ['k'.repeat(250)]: inner }),
      '\0',
    )
    expect(at(long)).toHaveLength(1_024)
  })
})

describe('a batch', () => {
  const many = (length: number) => JSON.stringify(Array(length).fill({ name: 'a' }))

  test('holds as many events as the limit, and not one more', () => {
    expect(readBatch(many(LIMITS.batchEventsMax))).toMatchObject({ ok: true, isSingleEvent: false })
    expect(readBatch(many(LIMITS.batchEventsMax + 1))).toMatchObject({
      code: 'BATCH_TOO_LARGE',
      detail: 'The batch holds 1,001 events; a batch takes at most 1,000. Split it.',
    })
    expect(readBatch('[]')).toEqual({ ok: false, code: 'BATCH_EMPTY' })
    expect(readBatch('{"events":[]}')).toEqual({ ok: false, code: 'BATCH_EMPTY' })
  })

  test.each([
    ['{"events":[{"name":"a"}],"sent_at":5,"sentAt":6}', 5],
    ['{"events":[{"name":"a"}],"sentAt":6}', 6],
    ['{"events":[{"name":"a"}],"sent_at":null,"sentAt":6}', 6],
    ['{"events":[{"name":"a"}],"sent_at":null}', undefined],
  ])('in an envelope knows when it was sent: %s', (text, sentAt) => {
    expect(readBatch(text)).toEqual({
      ok: true,
      isSingleEvent: false,
      items: [{ raw: { name: 'a' }, badNumbers: [] }],
      member: 'events',
      sentAt,
    })
  })

  test('without an envelope has no member and no time, and an object with a name is an event', () => {
    expect(readBatch('[{"name":"a"}]')).not.toHaveProperty('member')
    expect(readBatch('{"name":"a","events":[1]}')).toMatchObject({ isSingleEvent: true })
    expect(readBatch('{"events":1}')).toMatchObject({ isSingleEvent: true })
  })

  test('gives each event its own bad numbers, and those outside of the events to none', () => {
    const bad = '9007199254740993'
    const found = readBatch(`{"note":${bad},"events":[{"x":1},{"y":[${bad},1e999]},{"z":${bad}}]}`)
    expect(
      found.ok && found.items.map(({ badNumbers }) => badNumbers.map(({ pointer }) => pointer)),
    ).toEqual([[], ['/y/0', '/y/1'], ['/z']])
    const twice = readBatch(`{"events":[1,1,{"x":${bad}}],"events":[{"a":1}]}`)
    expect(twice.ok && twice.items.map(({ badNumbers }) => badNumbers)).toEqual([[]])
    const bare = readBatch(`[${bad}]`)
    expect(bare.ok && bare.items[0]?.badNumbers).toEqual([{ pointer: '', written: bad }])
  })
})
