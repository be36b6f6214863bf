import { expect, it } from 'vitest'
import { describeEdges } from '../../testing/edge-harness.ts'
import { openSocket, type RawConnection, requestHead } from '../../testing/socket.ts'

const EVENT = '{"event":"a"}'
const status = (connection: RawConnection) => /^HTTP\/1\.1 (\d+)/.exec(connection.received())?.[1]
const poll = (look: () => unknown, timeout = 5_000) => expect.poll(look, { timeout, interval: 20 })

describeEdges('the edge on a raw connection', (harness) => {
  it('accepts a body that arrives in small chunks', async () => {
    const connection = await openSocket(harness.edge.port)
    connection.write(requestHead(harness.newKey(), 'Transfer-Encoding: chunked'))
    for (const letter of EVENT) {
      connection.write(`1\r\n${letter}\r\n`)
      await new Promise((resolve) => setImmediate(resolve))
    }
    connection.write('0\r\n\r\n')
    await poll(() => status(connection)).toBe('202')
    connection.reset()
  })

  it('stores nothing of a truncated body and keeps working', async () => {
    const key = harness.newKey()
    await harness.post(key, EVENT)
    const recordsBefore = harness.gateway.records.length
    for (const end of ['halfClose', 'reset'] as const)
      for (const announced of ['Content-Length: 100', 'Transfer-Encoding: chunked']) {
        const connection = await openSocket(harness.edge.port)
        connection.write(
          requestHead(key, announced) + (announced.startsWith('T') ? `d\r\n${EVENT}\r\n` : EVENT),
        )
        connection[end]()
        await connection.closed
        // A client that only half-closed may get an error, but never a 202.
        expect([undefined, '400']).toContain(status(connection))
      }
    expect((await harness.post(key, EVENT)).status).toBe(202)
    expect(harness.gateway.records.length).toBe(recordsBefore + 1)
  })

  it('responds to a client that half-closes after the whole request', async () => {
    const connection = await openSocket(harness.edge.port)
    connection.write(requestHead(harness.newKey(), `Content-Length: ${EVENT.length}`) + EVENT)
    connection.halfClose()
    await connection.closed
    // Deno's server treats a half-close as a disconnect, and has no setting for it: the client gets no
    // response and retries, which the event id makes harmless.
    expect(status(connection)).toBe(harness.runtime === 'deno' ? undefined : '202')
  })

  it('releases the Idempotency-Key of a client that disconnects during publishing', async () => {
    const key = harness.newKey()
    const once = { headers: { 'idempotency-key': 'left' } }
    await harness.post(key, EVENT)
    const requestsBefore = harness.gateway.requestCounts.produce
    harness.gateway.produceFaults.push('hang')
    const connection = await openSocket(harness.edge.port)
    connection.write(
      requestHead(key, 'Idempotency-Key: left', `Content-Length: ${EVENT.length}`) + EVENT,
    )
    await poll(() => harness.gateway.requestCounts.produce).toBe(requestsBefore + 1)
    connection.reset()
    // The lease lasts 15 s; publishing times out after 3 s.
    await poll(async () => (await harness.post(key, EVENT, once)).status, 6_000).toBe(202)
  }, 10_000)

  it('serves the next request on a connection whose last body was rejected early', async () => {
    const key = harness.newKey()
    const large = `${(65_536).toString(16)}\r\n${' '.repeat(65_536)}\r\n`.repeat(20)
    const next = requestHead(key, `Content-Length: ${EVENT.length}`) + EVENT
    const connection = await openSocket(harness.edge.port)
    connection.write(`${requestHead(key, 'Transfer-Encoding: chunked')}${large}`)
    await poll(() => status(connection)).toBe('413')
    connection.write(`0\r\n\r\n${next}`)
    const closes = /connection: close/i.test(connection.received())
    if (!closes) await poll(() => connection.received()).toContain('HTTP/1.1 202')
    connection.reset()
  })

  it('responds to pipelined requests one by one', async () => {
    const connection = await openSocket(harness.edge.port)
    const request = requestHead(harness.newKey(), `Content-Length: ${EVENT.length}`) + EVENT
    connection.write(request.repeat(3))
    await poll(() => connection.received().match(/HTTP\/1\.1 202/g)?.length).toBe(3)
    connection.reset()
  })

  it('never reads a request with two lengths as two requests', async () => {
    const key = harness.newKey()
    await harness.post(key, EVENT)
    const recordsBefore = harness.gateway.records.length
    const smuggled = requestHead(key, `Content-Length: ${EVENT.length}`) + EVENT
    const connection = await openSocket(harness.edge.port)
    connection.write(
      `${requestHead(key, `Content-Length: ${smuggled.length + 5}`, 'Transfer-Encoding: chunked')}0\r\n\r\n${smuggled}`,
    )
    connection.halfClose()
    await connection.closed
    expect(harness.gateway.records.length - recordsBefore).toBeLessThanOrEqual(1)
    expect((connection.received().match(/HTTP\/1\.1 202/g) ?? []).length).toBeLessThanOrEqual(1)
  })

  it('rejects bytes that are not HTTP and keeps working', async () => {
    for (const garbage of [
      '\r\n\r\n\r\n',
      'GET\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01',
      'x'.repeat(100_000),
    ]) {
      const connection = await openSocket(harness.edge.port)
      connection.write(garbage)
      connection.halfClose()
      await connection.closed
      expect(status(connection)).not.toBe('202')
    }
    expect((await harness.post(harness.newKey(), EVENT)).status).toBe(202)
  })

  it('gives each of a hundred concurrent clients its own response', async () => {
    const key = harness.newKey()
    // The key is cached by now, so that no request waits for its look-up.
    expect((await harness.post(key, { event: 'first' })).status).toBe(202)
    const responses = await Promise.all(
      Array.from({ length: 100 }, (_, i) => harness.post(key, { event: 'a', event_id: `n${i}` })),
    )
    expect(responses.filter(({ status }) => status !== 202).map(({ json }) => json)).toEqual([])
    expect(responses.map(({ json }) => json.event_id)).toEqual(responses.map((_, i) => `n${i}`))
    const offsets = responses.map(
      ({ json }) => `${json.events[0].partition}:${json.events[0].offset}`,
    )
    expect(new Set(offsets).size).toBe(100)
  })
})
