import { describe, expect, test } from 'vitest'
import { LIMITS } from '../limits.ts'
import { claimedBy, decodeRecord, recordEncoder } from './record.ts'

const stamp = {
  v: 1,
  tenant: 'acme',
  key: 'k',
  request_id: 'r',
  received_at: '2026-11-21T09:00:00.123Z',
  edge: 'here',
} as const
const event = {
  event_id: 'e1',
  name: 'order',
  occurred_at: '2026-11-21T08:59:00Z',
  properties: {},
}
const decode = (fields: object, changed: object = {}) =>
  decodeRecord(JSON.stringify({ ...stamp, event: { ...event, ...changed }, ...fields }))
/** `REASON detail`, or ok. */
const outcome = (fields: object, changed?: object) => {
  const found = decode(fields, changed)
  return found.ok ? 'ok' : `${found.reason} ${found.detail}`
}
const text = (length: number) => 'x'.repeat(length)

test('what the encoder writes is read back, notes included', () => {
  const encoder = recordEncoder(stamp)
  const notes = { original: '{"a":1}', time: 'computed' as const }
  expect(decodeRecord(encoder.event(JSON.stringify(event), notes))).toEqual({
    ok: true,
    record: { ...stamp, ...notes, event },
    received: { ms: Date.parse(stamp.received_at), us: 0 },
    occurred: { ms: Date.parse(event.occurred_at), us: 0 },
  })
  expect(decodeRecord(encoder.event(JSON.stringify(event)))).toMatchObject({
    record: { ...stamp, event },
  })
  const refused = [
    { code: 'NAME_MISSING' as const, pointer: '/name', detail: 'is missing' },
    { code: 'VALUE_INVALID' as const, pointer: '', detail: 'is wrong' },
  ]
  expect(decodeRecord(encoder.invalid({ refused, original: 'eA==', base64: true }))).toEqual({
    ok: false,
    reason: 'NAME_MISSING',
    detail: '/name: is missing; the event: is wrong',
    claimed: { tenant: 'acme', key: stamp.key, request_id: 'r' },
    original: 'eA==',
    base64: true,
    received: { ms: Date.parse(stamp.received_at), us: 0 },
    stated: { ...stamp, refused, original: 'eA==', base64: true },
    pointer: '/name',
  })
  expect(decodeRecord(encoder.invalid({ refused, original: 'x' }))).not.toHaveProperty('base64')
})

test.each(['tenant', 'key', 'request_id', 'received_at', 'edge'])(
  'a record needs %s, as a string within its length',
  (field) => {
    const why = `NOT_A_RECORD ${field} is missing or not a string of 1 to ${LIMITS.labelCharsMax} characters`
    for (const value of [undefined, null, 1, '', {}, text(LIMITS.labelCharsMax + 1)])
      expect(outcome({ [field]: value })).toBe(why)
    expect(outcome({ [field]: text(LIMITS.labelCharsMax) })).toBe(
      field === 'received_at' ? 'NOT_A_RECORD received_at is not a time in UTC' : 'ok',
    )
  },
)

test.each([
  ['event is not a JSON object', { event: 'x' }, {}],
  ['event is not a JSON object', { event: [] }, {}],
  ['event_id is not a string of 1 to 128 characters', {}, { event_id: '' }],
  ['event_id is not a string of 1 to 128 characters', {}, { event_id: 1 }],
  [
    'event_id is not a string of 1 to 128 characters',
    {},
    { event_id: text(LIMITS.eventIdCharsMax + 1) },
  ],
  ['name is not a string of an allowed length', {}, { name: '' }],
  [
    'name is not a string of an allowed length',
    {},
    { name: text(2 * LIMITS.eventNameCharsMax + 1) },
  ],
  ['occurred_at is not a string', {}, { occurred_at: 5 }],
  ['occurred_at is not a time in UTC', {}, { occurred_at: '2026-11-21' }],
  ['actor is not a string of an allowed length', {}, { actor: null }],
  [
    'session is not a string of an allowed length',
    {},
    { session: text(2 * LIMITS.labelCharsMax + 1) },
  ],
  ['source is not a string of an allowed length', {}, { source: '' }],
  ['schema_version is not a string of an allowed length', {}, { schema_version: 1 }],
  ['value is not a number within the limits', {}, { value: '1' }],
  ['value is not a number within the limits', {}, { value: 1.1e290 }],
  ['value is not a number within the limits', {}, { value: null }],
  ['properties is not a JSON object', {}, { properties: [] }],
  ['properties is not a JSON object', {}, { properties: undefined }],
  ['context is not a JSON object', {}, { context: 'x' }],
])('an event of the log is invalid where %s', (why, fields, changed) => {
  expect(outcome(fields, changed)).toBe(`EVENT_INVALID ${why}`)
})

test('an event of the log at every limit is an event', () => {
  const longest = {
    event_id: text(LIMITS.eventIdCharsMax),
    name: text(2 * LIMITS.eventNameCharsMax),
    actor: text(2 * LIMITS.labelCharsMax),
    value: -LIMITS.valueMax,
    context: {},
  }
  expect(outcome({}, longest)).toBe('ok')
  expect(outcome({}, { value: LIMITS.valueMax })).toBe('ok')
})

test.each([
  ['VERSION_UNKNOWN only version 1 is known', { v: 2 }, {}],
  [
    'UNSTORABLE edge contains the character NUL (U+0000), which cannot be stored',
    { edge: 'a\0' },
    {},
  ],
  [
    'UNSTORABLE actor contains half of a surrogate pair, which cannot be stored',
    {},
    { actor: '\ud800' },
  ],
  [
    'UNSTORABLE /properties/a/0 contains the character NUL (U+0000), which cannot be stored',
    {},
    { properties: { a: ['\0'] } },
  ],
  [
    'UNSTORABLE /context/a contains the character NUL (U+0000), which cannot be stored',
    {},
    { context: { a: '\0' } },
  ],
])('%s', (expected, fields, changed) => {
  expect(outcome(fields, changed)).toBe(expected)
})

test('a number that would change is found wherever it is, and depth even without an escape', () => {
  const json = JSON.stringify({ ...stamp, event })
  const number = decodeRecord(
    json.replace('"properties":{}', '"properties":{"n":9007199254740993}'),
  )
  expect(number).toMatchObject({
    reason: 'UNSTORABLE',
    detail: '/event/properties/n is a number that a double cannot hold',
  })
  const deep = `${'['.repeat(LIMITS.propertiesDepthMax)}${']'.repeat(LIMITS.propertiesDepthMax)}`
  expect(decodeRecord(json.replace('"properties":{}', `"properties":{"n":${deep}}`))).toMatchObject(
    {
      reason: 'UNSTORABLE',
      detail: expect.stringContaining('is nested deeper than'),
    },
  )
  const fits = `${'['.repeat(LIMITS.propertiesDepthMax - 1)}${']'.repeat(LIMITS.propertiesDepthMax - 1)}`
  expect(decodeRecord(json.replace('"properties":{}', `"properties":{"n":${fits}}`)).ok).toBe(true)
})

describe('a rejected event', () => {
  const refused = [{ code: 'NAME_MISSING', pointer: '/name', detail: 'is missing' }]
  const form = 'NOT_A_RECORD refused or original does not have the form that the edge writes'
  test.each([
    ['no list', { refused: {}, original: 'x' }],
    ['an empty list', { refused: [], original: 'x' }],
    ['a list of texts', { refused: ['x'], original: 'x' }],
    ['no original', { refused }],
    ['a code that is not text', { refused: [{ code: 5 }], original: 'x' }],
    ['a code in lower case', { refused: [{ code: 'Name' }], original: 'x' }],
    ['a code that begins with a digit', { refused: [{ code: '1A' }], original: 'x' }],
    ['a code with a space', { refused: [{ code: 'A B' }], original: 'x' }],
    [
      'a code that is too long',
      { refused: [{ code: 'A'.repeat(LIMITS.labelCharsMax + 1) }], original: 'x' },
    ],
  ])('with %s is not a record', (_, fields) => {
    expect(outcome(fields)).toBe(form)
  })

  test('of a newer edge keeps a code that is unknown here, and errors without their form are left empty', () => {
    const odd = [{ code: 'A_NEW_1' }, 'x', { pointer: { toString: 'x' }, detail: 5 }]
    expect(decode({ refused: odd, original: 'x' })).toMatchObject({
      reason: 'A_NEW_1',
      detail: 'the event: ; ; the event: ',
    })
  })

  test('has a detail of 2,000 characters at most, without what Postgres cannot store', () => {
    const long = [{ code: 'A', pointer: '', detail: `\0\ud800${text(3_000)}` }]
    const found = decode({ refused: long, original: 'x' })
    expect(!found.ok && found.detail).toBe(`the event: \ufffd${text(1_988)}`)
  })
})

test('a dead letter claims only what can be stored', () => {
  const claims = {
    tenant: 'a',
    request_id: text(LIMITS.labelCharsMax),
    route: '',
    client: 'x\0',
    other: 'y',
  }
  expect(claimedBy(claims)).toEqual({ tenant: 'a', request_id: claims.request_id })
  expect(
    claimedBy({ tenant: 1, request_id: text(LIMITS.labelCharsMax + 1), route: 'r', client: 'c' }),
  ).toEqual({ route: 'r', client: 'c' })
  expect(claimedBy(undefined)).toEqual({})
  expect(decodeRecord('[]')).toEqual({
    ok: false,
    reason: 'NOT_A_RECORD',
    detail: 'the value is not a JSON object',
    claimed: {},
  })
  expect(decodeRecord('{')).toMatchObject({ reason: 'NOT_JSON', claimed: {} })
})

test('a record may name its visitor, and is read whatever stands there: only what is derived from it needs it', () => {
  const visitor = { ua: 'Mozilla/5.0', geo: { country: 'DE', city: 'Berlin' } }
  const encoder = recordEncoder({ ...stamp, ...visitor })
  expect(decodeRecord(encoder.event(JSON.stringify(event)))).toMatchObject({
    ok: true,
    record: { ...stamp, ...visitor, event },
  })
  for (const odd of [
    { ua: 7, geo: 'DE' },
    { ua: {}, geo: [] },
    { ua: null, geo: null },
  ])
    expect(outcome(odd)).toBe('ok')
  // As a member that only a later version knows.
  expect(outcome({ of_a_later_version: { a: 1 } })).toBe('ok')
  expect(outcome({ ua: 'a\0' })).toBe(
    'UNSTORABLE ua contains the character NUL (U+0000), which cannot be stored',
  )
})
