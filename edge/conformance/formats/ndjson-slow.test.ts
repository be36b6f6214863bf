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

  it.concurrent('of newlines alone gets a 408 after 10 s, and one of a few bytes beside it goes on', async ({
    expect,
  }) => {
    const { open, arrived } = sender()
    const newlines = open()
    const good = open()
    const start = performance.now()
    for (let i = 0; newlines.status() === undefined; i++) {
      await Promise.all([newlines.write('\r\n \n'), good.write(EVENT[i] ?? ' ')])
      await pause(500)
    }
    await newlines.finished
    expect(performance.now() - start).toBeGreaterThan(LIMITS.bodyReadMsMax - 500)
    const response = JSON.parse(newlines.received())
    expect([newlines.status(), response.code]).toEqual([408, 'BODY_TOO_SLOW'])
    expect(response.detail).toMatch(/^A stream brings at least 8 bytes of lines every 10 s; /)
    good.end()
    await good.finished
    expect([good.status(), JSON.parse(good.received()).accepted]).toEqual([202, 1])
    expect(arrived()).toHaveLength(1)
  }, 40_000)

  it.concurrent('is one of at most eight of its key, and each that ends makes room for another', async ({
    expect,
  }) => {
    const { open, arrived } = sender()
    const streams = Array.from({ length: LIMITS.ndjsonStreamsPerKeyMax }, () => open())
    for (const stream of streams) await stream.write(`${EVENT}\n`)
    // All of them are open once their lines have arrived.
    await expect.poll(() => arrived().length, { timeout: 8_000 }).toBe(streams.length)
    const refused = open()
    await refused.finished
    expect([refused.status(), JSON.parse(refused.received()).code]).toEqual([
      429,
      'TOO_MANY_STREAMS',
    ])
    expect(refused.headers()['retry-after']).toBe('5')
    const other = sender().open()
    other.end(EVENT)
    await other.finished
    expect(other.status()).toBe(202)
    for (const stream of streams) stream.end()
    await Promise.all(streams.map((stream) => stream.finished))
    expect(streams.map((stream) => stream.status())).toEqual(streams.map(() => 202))
    const next = open()
    next.end(EVENT)
    await next.finished
    expect(next.status()).toBe(202)
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

/** On SIGUSR2 the clock of the process goes an hour ahead. */
const HOURS_AHEAD = `
  const { now } = Date
  let ahead = 0
  Date.now = () => now() + ahead
  process.on('SIGUSR2', () => { ahead += ${LIMITS.ndjsonStreamMsMax}; console.log('an hour ahead') })`

it.concurrent('an NDJSON stream that is open for an hour gets a 408, and a new one goes on', async ({
  expect,
}) => {
  const gateway = await startStubGateway()
  const edge = await startEdge('node', gateway, {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(HOURS_AHEAD)}`,
  })
  const { key } = gateway.addKey()
  const open = () => openPost(edge.port, { ...NDJSON, authorization: `Bearer ${key}` })
  const long = open()
  await long.write(`${EVENT}\n`)
  await expect.poll(() => gateway.records.length).toBe(1)
  process.kill(edge.pid, 'SIGUSR2')
  // The next stream has to begin after it.
  await expect.poll(() => edge.log()).toContain('an hour ahead')
  const next = open()
  await next.write(`${EVENT}\n`)
  await expect.poll(() => gateway.records.length).toBe(2)
  await long.write(`${EVENT}\n`)
  await long.finished
  const response = JSON.parse(long.received())
  expect([long.status(), response.code]).toEqual([408, 'STREAM_TOO_LONG'])
  expect(response).toMatchObject({ accepted: 1, resume_from_line: 1 })
  next.end(EVENT)
  await next.finished
  expect([next.status(), JSON.parse(next.received()).accepted]).toEqual([202, 2])
  await edge.stop()
  await gateway.close()
}, 30_000)
