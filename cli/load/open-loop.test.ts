import { expect, test } from 'vitest'
import { runOpenLoop } from './open-loop.ts'

test('of requests that are due at once, as many are sent as may be in flight, and the others are dropped', async () => {
  const sent: number[] = []
  const { promise: responded, resolve: respond } = Promise.withResolvers<void>()
  const { dropped } = await runOpenLoop({
    schedule: { total: 10, dueAt: (n) => (n < 9 ? 0 : 50) },
    inFlightMax: 3,
    signal: new AbortController().signal,
    send(n) {
      sent.push(n)
      return responded
    },
    onTick(dropped) {
      if (dropped === 6) respond()
    },
  })
  expect({ sent, dropped }).toEqual({ sent: [0, 1, 2, 9], dropped: 6 })
})

test('no request is sent before it is due or after the end was asked for, and all responses are waited for', async () => {
  const stop = new AbortController()
  const started = performance.now()
  let responses = 0
  let early = 0
  const { seconds } = await runOpenLoop({
    schedule: { total: 1_000, dueAt: (n) => 20 * n },
    inFlightMax: 1_000,
    signal: stop.signal,
    async send(n, dueAt) {
      if (performance.now() < dueAt) early++
      if (n === 3) stop.abort()
      await new Promise((resolve) => setTimeout(resolve, 50))
      responses++
    },
    onTick() {},
  })
  expect({ early, responses }).toEqual({ early: 0, responses: 4 })
  expect(seconds * 1000).toBeGreaterThanOrEqual(110)
  expect(seconds * 1000).toBeLessThanOrEqual(performance.now() - started)
})
