import { expect, it } from 'vitest'
import {
  acquired,
  idempotencySuite,
  request,
  storedResponse,
} from '../testing/idempotency.suite.ts'
import { createMemoryIdempotency } from './memory-idempotency.ts'

idempotencySuite(createMemoryIdempotency)

it('the store drops the oldest entries when there are too many', async () => {
  const store = createMemoryIdempotency({ idempotencyEntriesMax: 3, idempotencyBytesMax: 1e9 })
  for (const key of ['1', '2', '3', '4'])
    await acquired(await store.begin(request(key), 0)).complete(storedResponse('x'), 0)
  expect((await store.begin(request('2'), 1)).kind).toBe('completed')
  expect((await store.begin(request('1'), 1)).kind).toBe('acquired')
})

it('the store drops the oldest entries when they exceed the byte limit', async () => {
  const store = createMemoryIdempotency({ idempotencyEntriesMax: 100, idempotencyBytesMax: 50_000 })
  for (const key of ['1', '2', '3'])
    await acquired(await store.begin(request(key), 0)).complete(
      storedResponse('x'.repeat(10_000)),
      0,
    )
  expect((await store.begin(request('3'), 1)).kind).toBe('completed')
  expect((await store.begin(request('2'), 1)).kind).toBe('completed')
  expect((await store.begin(request('1'), 1)).kind).toBe('acquired')
})
