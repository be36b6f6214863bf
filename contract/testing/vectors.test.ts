import { expect, it } from 'vitest'
import { runVectors } from './run-vectors.ts'

it('the contract returns the expected bytes for every golden vector', async () => {
  expect(await runVectors()).toEqual([])
})
