import { expect, test } from 'vitest'
import {
  compileSchema,
  compileSchemaText,
  SCHEMA_LIMITS,
  type SchemaNode,
} from './compile-schema.ts'
import { findViolation } from './find-violation.ts'

function compile(document: unknown): SchemaNode {
  const compiled = compileSchema(document)
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error))
  return compiled.schema
}
const check = (of: unknown, value: unknown) => {
  const found = findViolation(compile({ properties: { a: of } }), { a: value })
  return found && `${found.pointer} ${found.detail}`
}
const errorOf = (document: unknown) => {
  const compiled = compileSchema(document)
  return compiled.ok ? undefined : [compiled.error.pointer, compiled.error.code]
}

test.each([
  [{ type: 'number' }, [1, 1.5], ['1', null, true, [], {}]],
  [{ type: 'integer' }, [1, -3, 2.0], [1.5, '1']],
  [{ type: ['string', 'null'] }, ['', null], [0, false]],
  [{ enum: ['a', 1, null] }, ['a', 1, null], ['b', '1', false, {}]],
  [{ const: false }, [false], [null, 0, '']],
  [{ enum: ['a', 'b'], const: 'b' }, ['b'], ['a']],
  [{ minimum: 1, exclusiveMaximum: 3 }, [1, 2.9, 'text'], [0.9, 3]],
  [{ exclusiveMinimum: 1, maximum: 3 }, [1.1, 3], [1, 3.1]],
  [{ minLength: 2, maxLength: 3 }, ['ab', '😀😀😀', 7], ['a', '😀', 'abcd']],
  [
    { minItems: 1, maxItems: 2, items: { type: 'string' } },
    [['a'], 'a'],
    [[], ['a', 'b', 'c'], [1]],
  ],
  [{ required: ['b'] }, [{ b: null }, []], [{}, { c: 1 }]],
  [{ properties: { b: true }, additionalProperties: false }, [{}, { b: 1 }], [{ c: 1 }]],
  [{ additionalProperties: { type: 'number' } }, [{ b: 1 }], [{ b: '1' }]],
  [{ anyOf: [{ type: 'number' }, { const: 'n/a' }] }, [1, 'n/a'], ['x', null]],
  [
    { format: 'date-time' },
    ['2026-12-01T10:00:00Z', '2026-12-01t10:00:00.5+01:00', 1],
    ['2026-12-01', '2026-13-01T10:00:00Z', `${'1'.repeat(99)}`],
  ],
  [{ format: 'uuid' }, ['0192a1b2-0000-7000-8000-000000000001'], ['0192a1b2']],
  [{ format: 'email' }, ['a@b.de'], ['a@b', 'a b@c.de', '@b.de', `a@${'b.'.repeat(200)}de`]],
  [true, [1, null], []],
])('%j accepts and refuses what draft 2020-12 does', (of, valid, invalid) => {
  for (const value of valid) expect(check(of, value), JSON.stringify(value)).toBeUndefined()
  for (const value of invalid)
    expect(check(of, value), JSON.stringify(value)).toMatch(/^\/properties/)
})

test('a violation has a pointer into the event and no value of it', () => {
  const price = { type: 'number' }
  const items = { items: { properties: { price } } }
  expect(check(items, [{ price: 1 }, { price: 'secret' }])).toBe(
    '/properties/a/1/price is a string and has to be a number',
  )
  expect(check({ required: ['x/y'] }, {})).toBe('/properties/a/x~1y is missing')
  expect(check({ anyOf: [{ required: ['b'] }, { type: 'string' }] }, { c: 'secret' })).toBe(
    '/properties/a matches none of the alternatives',
  )
  expect(check({ enum: ['x'] }, 'secret')).toBe(
    '/properties/a is not one of the values of the schema',
  )
})

test('names of Object.prototype are names like any other', () => {
  const schema = compile(
    JSON.parse(
      '{"properties":{"__proto__":{"type":"number"},"constructor":{"type":"string"}},"required":["toString"]}',
    ),
  )
  expect(findViolation(schema, {})?.pointer).toBe('/properties/toString')
  expect(findViolation(schema, { toString: 1 } as never)).toBeUndefined()
  expect(errorOf({ constructor: 1 })).toEqual(['/constructor', 'KEYWORD_UNSUPPORTED'])
  expect(errorOf(JSON.parse('{"__proto__":1}'))).toEqual(['/__proto__', 'KEYWORD_UNSUPPORTED'])
})

test.each([
  [{ properties: { a: { pattern: '(a+)+$' } } }, '/properties/a/pattern', 'KEYWORD_UNSUPPORTED'],
  [{ patternProperties: { '(a+)+$': true } }, '/patternProperties', 'KEYWORD_UNSUPPORTED'],
  [{ $ref: '#' }, '/$ref', 'KEYWORD_UNSUPPORTED'],
  [
    { properties: { a: { $dynamicRef: '#a' } } },
    '/properties/a/$dynamicRef',
    'KEYWORD_UNSUPPORTED',
  ],
  [{ $ref: 'http://127.0.0.1/' }, '/$ref', 'KEYWORD_UNSUPPORTED'],
  [{ $defs: {} }, '/$defs', 'KEYWORD_UNSUPPORTED'],
  [{ uniqueItems: true }, '/uniqueItems', 'KEYWORD_UNSUPPORTED'],
  [{ items: { allOf: [] } }, '/items/allOf', 'KEYWORD_UNSUPPORTED'],
  [{ tpye: 'string' }, '/tpye', 'KEYWORD_UNSUPPORTED'],
  [{ $schema: 'http://json-schema.org/draft-07/schema#' }, '/$schema', 'KEYWORD_INVALID'],
  [{ type: 'text' }, '/type', 'KEYWORD_INVALID'],
  [{ type: [] }, '/type', 'KEYWORD_INVALID'],
  [{ enum: [{}] }, '/enum', 'KEYWORD_INVALID'],
  [{ enum: Array(101).fill(1) }, '/enum', 'KEYWORD_INVALID'],
  [{ minLength: -1 }, '/minLength', 'KEYWORD_INVALID'],
  [{ minimum: '1' }, '/minimum', 'KEYWORD_INVALID'],
  [{ format: 'regex' }, '/format', 'KEYWORD_INVALID'],
  [{ anyOf: Array(9).fill(true) }, '/anyOf', 'KEYWORD_INVALID'],
  [{ properties: { a: 1 } }, '/properties/a', 'KEYWORD_INVALID'],
  [[], '', 'KEYWORD_INVALID'],
  [null, '', 'KEYWORD_INVALID'],
])('the schema %j is refused with a pointer', (document, pointer, code) => {
  expect(errorOf(document)).toEqual([pointer, code])
})

test('a schema is bounded in bytes, depth and number of schemas', () => {
  const deep = (levels: number): object => (levels === 1 ? {} : { items: deep(levels - 1) })
  expect(errorOf(deep(SCHEMA_LIMITS.depthMax))).toBeUndefined()
  expect(errorOf(deep(SCHEMA_LIMITS.depthMax + 1))?.[1]).toBe('SCHEMA_TOO_DEEP')
  expect(errorOf(deep(5_000))?.[1]).toBe('SCHEMA_TOO_DEEP')
  const wide = (count: number) => ({
    properties: Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, true])),
  })
  expect(errorOf(wide(SCHEMA_LIMITS.nodesMax - 1))).toBeUndefined()
  expect(errorOf(wide(SCHEMA_LIMITS.nodesMax))?.[1]).toBe('SCHEMA_TOO_COMPLEX')
  const nested = (...lengths: number[]): object =>
    lengths.reduceRight<object>((below, length) => ({ anyOf: Array(length).fill(below) }), {})
  expect(errorOf(nested(8, 2))).toBeUndefined()
  expect(errorOf(nested(8, 3))).toEqual(['/anyOf/0/anyOf', 'SCHEMA_TOO_COMPLEX'])
  expect(errorOf({ anyOf: [true, { items: nested(8, 2) }] })?.[1]).toBe('SCHEMA_TOO_COMPLEX')
  const large = compileSchemaText(JSON.stringify({ title: 'ü'.repeat(SCHEMA_LIMITS.bytesMax / 2) }))
  expect(large).toMatchObject({ ok: false, error: { code: 'SCHEMA_TOO_LARGE' } })
  expect(compileSchemaText('{')).toMatchObject({ ok: false, error: { code: 'NOT_JSON' } })
})

test('the most expensive schemas and events stop after the budget of steps', () => {
  // As many alternatives as fit, each of which fails at the last item only.
  const items = { anyOf: Array(8).fill({ const: 1 }) }
  const schema = compile({ properties: { a: { anyOf: Array(2).fill({ items }) } } })
  const found = findViolation(schema, { a: Array(30_000).fill(2) })
  expect(found?.detail).toBe('matches none of the alternatives')
  const valid = { a: [...Array(30_000).fill(1)] }
  expect(findViolation(schema, valid)?.detail).toBe('is too large to be compared with the schema')
  const long = compile({ additionalProperties: { maxLength: 10_000_000 } })
  const texts = Object.fromEntries(
    Array.from({ length: 20 }, (_, i) => [`t${i}`, 'x'.repeat(60_000)]),
  )
  expect(findViolation(long, texts)?.detail).toBe('is too large to be compared with the schema')
})
