import { expect, test } from 'vitest'
import { wordsOf } from './json.ts'

test('coloured words, put together again, are the JSON', () => {
  const value = {
    'a "quoted" key': 'text with 1, true, null and \\ "quotes": yes',
    number: -1.5e-7,
    list: [1, true, null, { deep: '</script>' }],
  }
  const words = wordsOf(value)
  expect(words.map((word) => word.text).join('')).toBe(JSON.stringify(value, null, 2))
  expect(words.filter((word) => word.is === 'key').map((word) => JSON.parse(word.text))).toEqual([
    'a "quoted" key',
    'number',
    'list',
    'deep',
  ])
  expect(words.filter((word) => word.is === 'number').map((word) => word.text)).toEqual([
    '-1.5e-7',
    '1',
  ])
})
