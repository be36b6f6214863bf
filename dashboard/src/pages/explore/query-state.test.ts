import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  AGGREGATES,
  type ExploreQuery,
  INTERVALS,
  parsePoint,
  parseQuery,
  parseRegion,
  pointParams,
  queryParams,
  regionParams,
} from './query-state.ts'

function search(changes: Record<string, string | string[] | null>): URLSearchParams {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(changes))
    for (const each of value === null ? [] : [value].flat()) params.append(name, each)
  return new URLSearchParams(params.toString())
}

const dimension = fc.oneof(
  fc.constantFrom('plan', 'a:b', '50%', '%3A', 'deep.er', '__proto__'),
  fc.string({ minLength: 1, maxLength: 20 }),
)
const value = fc.oneof(
  fc.constantFrom('', ':', 'a:b', 'שלום', '<b>'),
  fc.string(),
  fc.constant(null),
)
const query: fc.Arbitrary<ExploreQuery> = fc.record({
  name: fc.option(fc.string({ minLength: 1 }), { nil: undefined }),
  aggregate: fc.constantFrom(...(Object.keys(AGGREGATES) as (keyof typeof AGGREGATES)[])),
  filters: fc.uniqueArray(
    fc.record({ dimension, in: fc.uniqueArray(value, { minLength: 1, maxLength: 5 }) }),
    { selector: (filter) => filter.dimension, maxLength: 8 },
  ),
  groupBy: fc.uniqueArray(dimension, { maxLength: 4 }),
  interval: fc.option(fc.constantFrom(...(Object.keys(INTERVALS) as (keyof typeof INTERVALS)[])), {
    nil: undefined,
  }),
})
const wellFormed = (text: string) => text.isWellFormed()

test('a link restores the query and its point, whatever characters names and values have', () => {
  fc.assert(
    fc.property(query, (asked) => {
      fc.pre(wellFormed(JSON.stringify(asked)))
      expect(parseQuery(search(queryParams(asked)))).toEqual(asked)
      const group = asked.groupBy.length > 0 ? asked.groupBy.map(() => null) : undefined
      const point = { time: Date.parse('2026-11-20T10:15:00Z'), group }
      expect(parsePoint(search(pointParams(point)), asked.groupBy.length)).toEqual(point)
    }),
  )
})

test('a link with what nobody can ask shows what is left of it', () => {
  const params = new URLSearchParams(
    'aggregate=median&interval=year&filter=&filter=:x&by=&by=plan&by=plan&at=noon&group=[1]',
  )
  expect(parseQuery(params)).toEqual({
    name: undefined,
    aggregate: 'COUNT',
    filters: [],
    groupBy: ['plan'],
    interval: undefined,
  })
  expect(parsePoint(params, 1)).toBeUndefined()
  expect(parsePoint(new URLSearchParams('at=2026-11-20T10:15:00Z&group=[1]'), 1)?.group).toBe(
    undefined,
  )
})

test('a link restores the region of a chart, and one without a length or before 1970 is none', () => {
  const region = { from: Date.UTC(2026, 10, 21), to: Date.UTC(2026, 10, 22) }
  const parse = (from: number, to: number) => parseRegion(search(regionParams({ from, to })))
  expect(parse(region.from, region.to)).toEqual(region)
  expect(parse(0, 1)).toEqual({ from: 0, to: 1 })
  for (const [from, to] of [
    [region.from, region.from],
    [region.to, region.from],
    [-1, 1],
  ] as const)
    expect(parse(from, to)).toBeUndefined()
  expect(parseRegion(search({ region: 'yesterday' }))).toBeUndefined()
})
