import { expect, it } from 'vitest'
import { runVectors } from '../../contract/testing/run-vectors.ts'

it('workerd gives exactly the golden vectors', async () => {
  expect(navigator.userAgent).toBe('Cloudflare-Workers')
  expect(await runVectors()).toEqual([])
})
