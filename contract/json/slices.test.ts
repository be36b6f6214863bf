import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { elementTexts } from './slices.ts'

// Thousands of random cases take longer than 5 s on a busy machine.
vi.setConfig({ testTimeout: 60_000 })

test('elementTexts returns elements as they were written', () => {
  expect(elementTexts(' [ {"a" : [1, 2]} ,"x\\"]" , 1e5,null ,[],{} ] ')).toEqual([
    '{"a" : [1, 2]}',
    '"x\\"]"',
    '1e5',
    'null',
    '[]',
    '{}',
  ])
  for (const space of [' ', '\n', '\r\n', '\t'])
    expect(elementTexts(` [1 ,${' {"a":2} '} , 3 ] `.replaceAll(' ', space))).toEqual([
      '1',
      '{"a":2}',
      '3',
    ])
  expect(elementTexts('[]')).toEqual([])
  expect(elementTexts('{}', 'events')).toEqual([])
})

test('elementTexts reads the last of duplicate members, as JSON.parse does', () => {
  expect(
    elementTexts('{"events":[1],"x":{"events":[2]},"\\u0065vents": [3 , 4]}', 'events'),
  ).toEqual(['3', '4'])
})

test('elementTexts finds every element of any array', () => {
  fc.assert(
    fc.property(
      fc.array(fc.jsonValue()),
      fc.jsonValue(),
      fc.integer({ min: 0, max: 3 }),
      (list, other, indent) => {
        const expected = list.map((value) => JSON.stringify(JSON.parse(JSON.stringify(value))))
        const inArray = elementTexts(JSON.stringify(list, null, indent))
        expect(inArray.map(reformat)).toEqual(expected)
        const text = JSON.stringify({ other, batch: list, more: other }, null, indent)
        expect(elementTexts(text, 'batch').map(reformat)).toEqual(expected)
      },
    ),
  )
})

function reformat(json: string): string {
  return JSON.stringify(JSON.parse(json))
}
