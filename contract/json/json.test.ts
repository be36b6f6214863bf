import { expect, test } from 'vitest'
import { LIMITS } from '../limits.ts'
import { endOfString, findBadNumbers, needsDeepCheck, parseJson, pointerTo } from './json.ts'

const pointersOf = (text: string) => findBadNumbers(text).map(({ pointer }) => pointer)

test.each([
  ['9007199254740993', true],
  ['9007199254740992', false],
  ['9007199254740991', false],
  ['-9007199254740993', true],
  ['1e400', true],
  ['-1e400', true],
  ['1e-400', true],
  ['0e-400', false],
  ['0.0e5', false],
  ['0E400', false],
  ['123456789012345678901234567890', true],
  ['100000000000000000000000', false],
  ['1152921504606846976', true],
  ['12500000000000000000000', false],
  ['0.1234567890123456789', false],
  ['1.5', false],
  ['1e22', false],
])('%s would be changed: %s', (written, isBad) => {
  expect(pointersOf(`[${written}]`)).toEqual(isBad ? ['/0'] : [])
  const parsed = parseJson(`{"a":${written}}`)
  expect(parsed.ok && parsed.badNumbers).toEqual(isBad ? [{ pointer: '/a', written }] : [])
})

test('a pointer leads through members and elements, after strings that look like structure', () => {
  const bad = '1e999'
  expect(pointersOf(`{"a":[1,{"b~/":${bad}}],"c":"[{,\\"","d":[[],{},${bad}],"e":${bad}}`)).toEqual(
    ['/a/1/b~0~1', '/d/2', '/e'],
  )
  expect(pointersOf(bad)).toEqual([''])
  expect(pointersOf(`[ ${bad} , "x" , ${bad} ]`)).toEqual(['/0', '/2'])
  expect(pointersOf(`{"":{"\\u0061":${bad}},"x":true}`)).toEqual(['//a'])
  expect(pointersOf(`[{"a":1},{"b":[${bad}]},${bad}]`)).toEqual(['/1/b/0', '/2'])
})

test('a bad number is shown with 40 characters, and a pointer with its first steps', () => {
  const digits = '9'.repeat(60)
  expect(findBadNumbers(digits)[0]?.written).toBe('9'.repeat(40))
  const steps = LIMITS.propertiesDepthMax + 4
  const nested = (depth: number) => `${'['.repeat(depth)}1e999${']'.repeat(depth)}`
  expect(pointersOf(nested(steps))[0]).toBe('/0'.repeat(steps))
  expect(pointersOf(nested(steps + 9))[0]).toBe('/0'.repeat(steps))
  const key = 'k'.repeat(LIMITS.propertyKeyCharsMax + 5)
  expect(pointersOf(`{"${key}":1e999}`)[0]).toBe(`/${key.slice(0, -5)}`)
  const long = Array.from({ length: 8 }).reduce(
    (inner: string) => `{"${'k'.repeat(200)}":${inner}}`,
    '1e999',
  )
  expect(pointersOf(long)[0]).toHaveLength(1_024)
})

test('a body is rejected with ten bad numbers for each event of a full batch', () => {
  const max = 10 * LIMITS.batchEventsMax
  const body = (count: number) => `[${Array(count).fill('1e999').join(',')}]`
  const fits = parseJson(body(max - 1))
  expect(fits.ok && fits.badNumbers).toHaveLength(max - 1)
  expect(parseJson(body(max))).toEqual({
    ok: false,
    detail:
      'The body contains 10,000 or more numbers that a double cannot hold; send them as strings.',
  })
  expect(findBadNumbers(body(max + 5))).toHaveLength(max)
})

test('invalid JSON is reported with its position where the engine knows it', () => {
  expect(parseJson('{"a":x}')).toEqual({
    ok: false,
    detail: expect.stringMatching(
      /^The body is not valid JSON: (unexpected text at position 5\.|it ends too early)/,
    ),
  })
  expect(parseJson('{"a":')).toMatchObject({
    detail: 'The body is not valid JSON: it ends too early or contains unexpected text.',
  })
})

test('text needs a deep check where it has an escape, a long number or many brackets', () => {
  const { propertiesDepthMax: depth } = LIMITS
  expect(needsDeepCheck('{"a":"\\u0000"}')).toBe(true)
  expect(needsDeepCheck('{"a":"\\n"}')).toBe(false)
  expect(needsDeepCheck('{"a":12345678901234567}')).toBe(true)
  expect(needsDeepCheck('{"a":1234567890123456}')).toBe(false)
  expect(needsDeepCheck('{"a":9123456789012345}')).toBe(true)
  expect(needsDeepCheck('{"a":1e100}')).toBe(true)
  expect(needsDeepCheck('{"a":1e99}')).toBe(false)
  for (const bracket of ['{', '[', '{[']) {
    const open = bracket.repeat(depth / bracket.length)
    expect(needsDeepCheck(open)).toBe(false)
    expect(needsDeepCheck(`${open}${bracket[0]}`)).toBe(true)
  }
})

test('a string ends at its quote, not at an escaped one', () => {
  expect(endOfString('"a" ', 0)).toBe(3)
  expect(endOfString('x"a\\"b"c', 1)).toBe(7)
  expect(endOfString('"\\\\"x', 0)).toBe(4)
  expect(endOfString('"abc', 0)).toBe(4)
  expect(endOfString('"', 0)).toBe(1)
})

test('a pointer escapes ~ before /', () => {
  expect(pointerTo(['a/b', 'c~d', '~/', 0])).toBe('/a~1b/c~0d/~0~1/0')
  expect(pointerTo([])).toBe('')
})
