import { expect, it } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { createMemoryIdempotency } from '../../admission/memory-idempotency.ts'
import type { AuthenticatedRequest } from '../../auth/authenticate.ts'
import { RECORD } from '../../testing/memory-edge.ts'
import { lockStream } from './stream-lock.ts'

function createStreams() {
  const clock = { now: 1_763_716_800_000 }
  const store = createMemoryIdempotency()
  const lock = (historical = false) => {
    const headers = { 'idempotency-key': 'a-stream' }
    const c = { get: () => ({}), req: { raw: new Request('http://edge/', { headers }) } }
    const request = { c, key: RECORD, historical } as unknown as AuthenticatedRequest
    return lockStream(request, store, () => clock.now)
  }
  return { clock, lock }
}

it('a stream holds its Idempotency-Key for as long as it lives, however long that is', async () => {
  const { clock, lock } = createStreams()
  const stream = await lock()
  for (let passed = 0; passed < 5 * LIMITS.idempotencyLeaseMs; passed += 1_000) {
    clock.now += 1_000
    await stream.renewIfDue()
    await expect(lock()).rejects.toMatchObject({ code: 'IDEMPOTENCY_IN_FLIGHT' })
  }
  // One that was torn down gives it up.
  clock.now += LIMITS.idempotencyLeaseMs + 1
  expect((await lock()).idempotencyKey).toBe('a-stream')
})

it('the same lines as a historical import are another stream', async () => {
  const { lock } = createStreams()
  const stream = await lock()
  await stream.digestLines(['{"event":"a"}'])
  await stream.complete('{"accepted":1}')
  expect((await lock()).completedResponse).toBe('{"accepted":1}')
  await expect(lock(true)).rejects.toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED' })
})
