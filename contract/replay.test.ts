import { expect, it } from 'vitest'
import { replay } from './replay.ts'

it('every golden vector comes out letter by letter', async () => {
  expect(await replay()).toEqual([])
})
