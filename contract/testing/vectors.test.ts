import { expect, it } from 'vitest'
import { runVectors } from './run-vectors.ts'

it('every golden vector comes out letter by letter', async () => {
  expect(await runVectors()).toEqual([])
})
