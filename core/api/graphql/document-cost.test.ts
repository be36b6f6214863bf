import { parse } from 'graphql'
import { expect, test } from 'vitest'
import type { ApiError } from '../../lib/api-error.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import { checkDocument } from './document-cost.ts'

/** The limit that a document exceeds. */
function limitOf(text: string): unknown {
  try {
    checkDocument(parse(text))
    return undefined
  } catch (error) {
    return (error as ApiError).details?.limit
  }
}

const ALIASED = '__schema { types { n: name } }'

test.each([
  `{ ${ALIASED} }`,
  `{ viewer { kind } ${ALIASED} }`,
  `{ ${ALIASED} viewer { kind } }`,
  `{ ${ALIASED} __typename }`,
  `{ ... { ${ALIASED} } viewer { kind } }`,
  `{ ...F viewer { kind } } fragment F on Query { ${ALIASED} }`,
  `{ __schema { types { ...T } } viewer { kind } } fragment T on __Type { n: name }`,
  `{ __type(name: "Event") { n: name } viewer { kind } }`,
  `query A { ${ALIASED} } query B { viewer { kind } }`,
  `query B { viewer { kind } } query A { ${ALIASED} }`,
])('aliases in introspection are refused wherever they stand: %s', (text) => {
  expect(limitOf(text)).toBe('aliases in introspection')
})

test('aliases elsewhere, of the introspection itself too, are none in introspection', () => {
  expect(limitOf('{ s: __schema { types { name } } v: viewer { k: kind } }')).toBeUndefined()
})

const { fieldsMax, aliasesMax, aliasCharsMax } = QUERY_LIMITS
const fields = (count: number) => '__typename '.repeat(count)
const aliases = (count: number) =>
  Array.from({ length: count }, (_, i) => `a${i}: __typename`).join(' ')

test.each([
  ['fields', fieldsMax, fields],
  ['aliases', aliasesMax, aliases],
] as const)(
  'a document may have exactly so many %s, over all of its parts together',
  (limit, max, of) => {
    const half = max >> 1
    for (const [more, expected] of [
      [0, undefined],
      [1, limit],
    ] as const) {
      const rest = of(max - half + more)
      expect(limitOf(`{ ${of(max + more)} }`)).toBe(expected)
      expect(limitOf(`query A { ${of(half)} } query B { ${rest} }`)).toBe(expected)
      expect(limitOf(`{ ${of(half)} ...F } fragment F on Query { ${rest} }`)).toBe(expected)
      expect(limitOf(`{ ... { ${of(half)} } ... on Query { ${rest} } }`)).toBe(expected)
    }
  },
)

test('a fragment counts each time that it is spread, and one in a cycle ends', () => {
  const of = (spreads: number) =>
    `{ ${'...F '.repeat(spreads)} } fragment F on Query { ${fields(10)} }`
  expect(limitOf(of(fieldsMax / 10))).toBeUndefined()
  expect(limitOf(of(fieldsMax / 10 + 1))).toBe('fields')
  expect(
    limitOf('{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }'),
  ).toBeUndefined()
})

test('an alias has a greatest length', () => {
  expect(limitOf(`{ ${'a'.repeat(aliasCharsMax)}: __typename }`)).toBeUndefined()
  expect(limitOf(`{ ${'a'.repeat(aliasCharsMax + 1)}: __typename }`)).toBe('characters in an alias')
})
