import { setTimeout as pass } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createChangeLimit } from './change-limit.ts'

test('after a change of metrics batches have as long for themselves as it took, also before one of another tenant', async () => {
  const limit = createChangeLimit()
  const began = performance.now()
  let tookMs = 0
  const first = limit.run(1, async () => {
    await pass(40)
    tookMs = performance.now() - began
  })
  const next = limit.run(2, async () => performance.now() - began)
  await first
  expect(tookMs).toBeGreaterThan(0)
  expect(await next).toBeGreaterThan(1.5 * tookMs)
})
