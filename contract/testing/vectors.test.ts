import { expect, it } from 'vitest'
import { replay } from './run-vectors.ts'

it('every golden vector comes out letter by letter', async () => {
  expect(await replay()).toEqual([])
})
