import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, describe, it } from 'vitest'
import type { KeyRecord } from '../../../contract/api-key.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { openPost } from '../../testing/open-post.ts'
import { RUNTIMES, type RunningEdge, startEdge } from '../../testing/runtimes.ts'
import { send } from '../../testing/send.ts'
import { type StubGateway, startStubGateway } from '../../testing/stub-gateway.ts'

// All run concurrently, because each of them takes longer than a deadline.
const NDJSON = { 'content-type': 'application/x-ndjson' }
const EVENT = '{"event":"a"}'

describe.concurrent.each(RUNTIMES)('a slow NDJSON stream in %s', (runtime) => {
  let gateway: StubGateway
  let edge: RunningEdge
  beforeAll(async () => {
    gateway = await startStubGateway()
    edge = await startEdge(runtime, gateway)
  }, 30_000)
  afterAll(async () => {
    await edge?.stop()
    await gateway?.close()
  })

  function sender(changes: Partial<KeyRecord> = {}) {
    const { key, record } = gateway.addKey(changes)
    const headers = { ...NDJSON, authorization: `Bearer ${key}` }
    return {
      record,
      headers,
      open: (more = {}) => openPost(edge.port, { ...headers, ...more }),
      arrived: () =>
        gateway.records.filter((stored) => stored.key?.startsWith(`${record.tenant}:`)),
    }
  }

  it.concurrent('of one byte a second is accepted when it is complete', async ({ expect }) => {
    const { open, arrived } = sender()
    const stream = open()
    for (const letter of EVENT) {
      await stream.write(letter)
      await pause(1_000)
    }
    stream.end()
    await stream.finished
    expect([stream.status(), JSON.parse(stream.received()).accepted]).toEqual([202, 1])
    expect(arrived()).toHaveLength(1)
  }, 30_000)

  it.concurrent('that stalls for 10 s gets a 408, with the lines before in the log', async ({
    expect,
  }) => {
    const { open, arrived } = sender()
    const stream = open()
    const silent = open({ 'content-encoding': 'gzip' })
    await stream.write(`${EVENT}\n${EVENT}\n{"eve`)
    const start = performance.now()
    await stream.finished
    expect(performance.now() - start).toBeGreaterThan(LIMITS.bodyReadMsMax - 500)
    expect(performance.now() - start).toBeLessThan(LIMITS.bodyReadMsMax + 3_000)
    const response = JSON.parse(stream.received())
    expect([stream.status(), response.code]).toEqual([408, 'BODY_TOO_SLOW'])
    expect(response).toMatchObject({ accepted: 2, lines: 2, resume_from_line: 2 })
    expect(arrived()).toHaveLength(2)
    await silent.finished
    expect(silent.status()).toBe(408)
  }, 40_000)

  it.concurrent('holds its Idempotency-Key until its end', async ({ expect }) => {
    const { open, headers } = sender()
    const once = { 'idempotency-key': 'long' }
    const stream = open(once)
    const end = performance.now() + LIMITS.idempotencyLeaseMs + 5_000
    let sent = 0
    for (; performance.now() < end; sent++) {
      await stream.write(`${EVENT}\n`)
      await pause(2_000)
      const other = await send(edge.port, { headers: { ...headers, ...once }, body: EVENT })
      expect([other.status, other.json.code]).toEqual([409, 'IDEMPOTENCY_IN_FLIGHT'])
    }
    stream.end()
    await stream.finished
    expect([stream.status(), JSON.parse(stream.received()).accepted]).toEqual([202, sent])
  }, 60_000)

  it.concurrent('ends with a 401 when its key is revoked meanwhile', async ({ expect }) => {
    const { open, record, arrived } = sender()
    const stream = open()
    await stream.write(`${EVENT}\n`)
    await expect.poll(() => arrived().length, { timeout: 20_000 }).toBe(1)
    record.revoked_at = new Date().toISOString()
    const start = performance.now()
    while (stream.status() === undefined && performance.now() - start < 60_000) {
      await stream.write(`${EVENT}\n`)
      await pause(500)
    }
    await stream.finished
    const response = JSON.parse(stream.received())
    expect([stream.status(), response.code]).toEqual([401, 'KEY_UNKNOWN'])
    expect(response.accepted).toBe(arrived().length)
    expect(performance.now() - start).toBeLessThan(60_000)
  }, 70_000)

  it.concurrent('gets a 429 while it is still sending', async ({ expect }) => {
    const { open } = sender({ key_events_per_minute: 10 })
    const stream = open()
    for (let i = 0; i < 10_000 && stream.status() === undefined; i++)
      await stream.write(`${EVENT}\n`.repeat(100))
    await expect.poll(() => stream.status(), { timeout: 20_000 }).toBe(429)
    await expect
      .poll(() => stream.received(), { timeout: 20_000 })
      .toContain('"resume_from_line":10')
    stream.breakOff()
  }, 30_000)
})
