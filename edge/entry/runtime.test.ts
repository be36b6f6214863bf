import { expect, it } from 'vitest'
import { runVectors } from '../../contract/testing/run-vectors.ts'

it('the golden vectors come out letter by letter in workerd', async () => {
  expect(navigator.userAgent).toBe('Cloudflare-Workers')
  expect(await runVectors()).toEqual([])
})
