import { expect, it } from 'vitest'
import { idempotencySuite, acquired, request, storedResponse } from '../testing/idempotency.suite.ts'
import { createMemoryIdempotency } from './memory-idempotency.ts'

idempotencySuite(createMemoryIdempotency)

it('the store drops the oldest entries when there are too many', async () => {
  const store = createMemoryIdempotency({ idempotencyEntriesMax: 3, idempotencyBytesMax: 1e9 })
  for (const key of ['1', '2', '3', '4'])
    await acquired(await store.claim(request(key), 0)).finish(storedResponse('x'), 0)
  expect((await store.claim(request('2'), 1)).is).toBe('done')
  expect((await store.claim(request('1'), 1)).is).toBe('ours')
})

it('the store drops the oldest entries when they exceed the byte limit', async () => {
  const store = createMemoryIdempotency({ idempotencyEntriesMax: 100, idempotencyBytesMax: 50_000 })
  for (const key of ['1', '2', '3'])
    await acquired(await store.claim(request(key), 0)).finish(storedResponse('x'.repeat(10_000)), 0)
  expect((await store.claim(request('3'), 1)).is).toBe('done')
  expect((await store.claim(request('2'), 1)).is).toBe('done')
  expect((await store.claim(request('1'), 1)).is).toBe('ours')
})
