import { expect, test } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import type { NewRecord } from '../log/log.ts'
import { createPostgresLog } from '../log/postgres/postgres-log.ts'
import { forwarderSuite } from './forward-dead-letters.suite.ts'
import { toRecord } from './forward-dead-letters.ts'

forwarderSuite('Postgres', (url) => createPostgresLog({ url }))

test('a dead letter keeps what was sent exactly as long as its key and its value fit one record', () => {
  const dead = (length: number) =>
    toRecord({
      id: 1,
      tenant: 'default',
      reason: 'NOT_JSON',
      detail: '',
      fingerprint: '',
      received_at: '2026-11-20T09:00:00Z',
      dead_at: '2026-11-20T09:00:00Z',
      request_id: null,
      route: null,
      client: null,
      topic: 'events.raw',
      partition: 0,
      log_offset: 7,
      original: Buffer.alloc(length, 'x'),
    })
  const sizeOf = ({ key, value }: NewRecord) => (key?.length ?? 0) + value.length
  const fits = LIMITS.recordBytesMax - sizeOf(dead(0))
  expect(sizeOf(dead(fits))).toBe(LIMITS.recordBytesMax)
  expect(JSON.parse(`${dead(fits + 1).value}`)).not.toHaveProperty('original')
})
