import { expect, it } from 'vitest'
import { idempotencySuite, ours, request, say } from '../testing/idempotency.suite.ts'
import { createMemoryIdempotency } from './memory-idempotency.ts'

idempotencySuite(createMemoryIdempotency)

it('forgets the oldest when there are too many', async () => {
  const store = createMemoryIdempotency({ idempotencyEntriesMax: 3, idempotencyBytesMax: 1e9 })
  for (const key of ['1', '2', '3', '4'])
    await ours(await store.claim(request(key), 0)).finish(say('x'), 0)
  expect((await store.claim(request('2'), 1)).is).toBe('done')
  expect((await store.claim(request('1'), 1)).is).toBe('ours')
})

it('forgets the oldest when they are too long together', async () => {
  const store = createMemoryIdempotency({ idempotencyEntriesMax: 100, idempotencyBytesMax: 50_000 })
  for (const key of ['1', '2', '3'])
    await ours(await store.claim(request(key), 0)).finish(say('x'.repeat(10_000)), 0)
  expect((await store.claim(request('3'), 1)).is).toBe('done')
  expect((await store.claim(request('2'), 1)).is).toBe('done')
  expect((await store.claim(request('1'), 1)).is).toBe('ours')
})
