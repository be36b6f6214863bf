import { expect, test } from 'vitest'
import { readEventText } from './corrected-record.ts'

const textOf = (event: string) =>
  readEventText({
    original: Buffer.from(event),
    stamp: JSON.stringify({ v: 1, tenant: 'default', refused: true }),
  })

test('the event of a dead letter is shown with indentation, which grows with neither its depth nor its size', () => {
  expect(textOf('{"name":"order","properties":{"a":1}}')).toBe(
    '{\n  "name": "order",\n  "properties": {\n    "a": 1\n  }\n}',
  )
  const nested = `${'['.repeat(2_000)}${']'.repeat(2_000)}`
  expect(textOf(`{"name":"order","properties":{"a":${nested}}}`)).toBeUndefined()
  const large = JSON.stringify({ name: 'order', list: Array(40_000).fill(1) })
  expect(textOf(large)).toBe(large)
})
