import fc from 'fast-check'
import { expect, it, vi } from 'vitest'
import { decodeRecord, recordEncoder } from '../log/record.ts'
import { anyJson } from '../testing/arbitrary.ts'
import { parseExactly } from './exact-parse.ts'

// Thousands of random cases take longer than 5 s on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

/** Puts V8 into the state in which it misreads the next escaped key. */
function poison(key: string): void {
  JSON.parse(JSON.stringify({ a: 1, [key]: 2 }))
  JSON.parse(JSON.stringify({ [key]: 2 }))
}

it('parseExactly returns for escaped keys what JSON.parse returns for the same text without escapes', () => {
  // JSON.parse of a text with escapes is no reference: any object with a backslash as key corrupts it.
  const texts = anyJson.map((json) => {
    const plain = JSON.stringify(json).replace(/\\u[0-9a-f]{4}|\\./g, 'b')
    const written = plain.replace(/"[^"]*"/g, (text) =>
      text.replace(
        /[a-f\u0080-\uffff]/g,
        (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
      ),
    )
    return { plain, written }
  })
  fc.assert(
    fc.property(texts, fc.constantFrom('', ' ', '\n\t'), ({ plain, written }, space) => {
      const expected = { a: JSON.parse(plain) }
      expect(parseExactly(`{"\\u0061":${written}}`)).toEqual(expected)
      const wide = written.replace(/[{}[\]](?=[{}[\],:]|$)/g, (c) => `${space}${c}${space}`)
      if (!/"[^"]*[{}[\]]/.test(written))
        expect(parseExactly(`{"\\u0061":${wide}}`)).toEqual(expected)
    }),
    { numRuns: 3_000 },
  )
})

it.each([
  ['\\', String.raw`\u540d`, '名'],
  ['\\u', String.raw`\u4e2d\u6587`, '中文'],
  ['\\', String.raw`\n`, '\n'],
  ['\\', String.raw`\"`, '"'],
  ['\\', String.raw`\u0000`, '\0'],
  ['x\\', String.raw`x\/`, 'x/'],
  ['\\u0', String.raw`\u0041bc`, 'Abc'],
])('after the key %j parseExactly still reads the key "%s"', (earlier, written, key) => {
  poison(earlier)
  expect(parseExactly(`{"a":1,"${written}":2}`)).toEqual({ a: 1, [key]: 2 })
  expect(parseExactly(`[{"${written}" \n: {"a":1,"${written}":2}}]`)).toEqual([
    { [key]: { a: 1, [key]: 2 } },
  ])
})

it('decodeRecord reads an escaped key of a record correctly', () => {
  poison('\\')
  const stamp = {
    v: 1,
    tenant: 't',
    key: 'k',
    request_id: 'r',
    received_at: '2026-11-21T09:00:00Z',
    edge: 'e',
  } as const
  const event = `{"event_id":"i","name":"n","occurred_at":"2026-11-21T09:00:00Z","properties":{"a":1,"\\"":2}}`
  const decoded = decodeRecord(recordEncoder(stamp).event(event))
  expect(decoded.ok && Object.keys(decoded.record.event.properties)).toEqual(['a', '"'])
})

it('parseExactly lets the last duplicate key win, keeps __proto__ as a member and reads any depth', () => {
  expect(parseExactly(String.raw`{"x":1,"\u0078":2,"y":3}`)).toEqual({ x: 2, y: 3 })
  const odd = parseExactly(String.raw`{"\u005f_proto__":{"a":1}}`) as object
  expect(Object.keys(odd)).toEqual(['__proto__'])
  expect(Object.getPrototypeOf(odd)).toBe(Object.prototype)
  let deep = parseExactly(`{"\\u0061":${'['.repeat(100_000)}${']'.repeat(100_000)}}`) as unknown
  let levels = 0
  for (deep = (deep as { a: unknown }).a; Array.isArray(deep); deep = deep[0]) levels++
  expect(levels).toBe(100_000)
})

it('parseExactly throws a SyntaxError for invalid JSON', () => {
  for (const text of ['', '{"\\u0061":}', '{"\\u006":1}', '{"a\\":1}'])
    expect(() => parseExactly(text)).toThrow(SyntaxError)
})
