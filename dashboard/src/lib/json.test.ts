import { expect, test } from 'vitest'
import { tokenizeJson } from './json.ts'

test('the joined tokens are the JSON text', () => {
  const value = {
    'a "quoted" key': 'text with 1, true, null and \\ "quotes": yes',
    number: -1.5e-7,
    list: [1, true, null, { deep: '</script>' }],
  }
  const tokens = tokenizeJson(value)
  expect(tokens.map((token) => token.text).join('')).toBe(JSON.stringify(value, null, 2))
  expect(
    tokens.filter((token) => token.kind === 'key').map((token) => JSON.parse(token.text)),
  ).toEqual(['a "quoted" key', 'number', 'list', 'deep'])
  expect(tokens.filter((token) => token.kind === 'number').map((token) => token.text)).toEqual([
    '-1.5e-7',
    '1',
  ])
})
