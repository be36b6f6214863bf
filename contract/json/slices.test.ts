import fc from 'fast-check'
import { expect, test } from 'vitest'
import { elementTexts } from './slices.ts'

test('elements come back as they were written', () => {
  expect(elementTexts(' [ {"a" : [1, 2]} ,"x\\"]" , 1e5,null ,[],{} ] ')).toEqual([
    '{"a" : [1, 2]}',
    '"x\\"]"',
    '1e5',
    'null',
    '[]',
    '{}',
  ])
  expect(elementTexts('[]')).toEqual([])
  expect(elementTexts('{}', 'events')).toEqual([])
})

test('of a member that is there twice, the last one is meant, as JSON.parse means it', () => {
  expect(
    elementTexts('{"events":[1],"x":{"events":[2]},"\\u0065vents": [3 , 4]}', 'events'),
  ).toEqual(['3', '4'])
})

test('whatever the values are, each is found', () => {
  fc.assert(
    fc.property(
      fc.array(fc.jsonValue()),
      fc.jsonValue(),
      fc.integer({ min: 0, max: 3 }),
      (list, other, indent) => {
        const spelt = list.map((each) => JSON.stringify(JSON.parse(JSON.stringify(each))))
        const inArray = elementTexts(JSON.stringify(list, null, indent))
        expect(inArray.map((each) => JSON.stringify(JSON.parse(each)))).toEqual(spelt)
        const text = JSON.stringify({ other, batch: list, more: other }, null, indent)
        expect(elementTexts(text, 'batch').map((each) => JSON.stringify(JSON.parse(each)))).toEqual(
          spelt,
        )
      },
    ),
  )
})
