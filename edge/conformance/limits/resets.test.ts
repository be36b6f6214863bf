import { expect, it } from 'vitest'
import { mintApiKey } from '../../../contract/api-key.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { describeEdges } from '../../testing/edge-harness.ts'
import { send } from '../../testing/send.ts'
import { openSocket, type RawConnection, requestHead } from '../../testing/socket.ts'

const RESETS = 50
const FULL_BODIES = Math.floor(LIMITS.edgeBytesInFlightMax / LIMITS.bodyBytesMax)

describeEdges('clients that reset their connection', (harness) => {
  const full = (key: string) =>
    `{"api_key":"${key}","batch":[{"event":"a","distinct_id":"d"}],"x":"${'x'.repeat(BODY_BYTES[harness.runtime])}"}`

  it.each([
    ['without a key', () => ''],
    ['with a made-up key', () => mintApiKey('pub')],
    ['with a public key', () => harness.newKey({ kind: 'pub' })],
  ])('%s do not take the byte budget from others', async (kind, keyOf) => {
    const good = harness.newKey()
    expect((await harness.post(good, { event: 'a' })).status).toBe(202)
    const key = keyOf()
    for (let i = 0; i < RESETS / 5; i++) {
      // At random moments: in the middle of the body, at its end, and while the key is looked up.
      const sockets = await Promise.all(Array.from({ length: 5 }, () => startUpload(full(key))))
      for (const socket of sockets) socket.reset()
      const next = await harness.post(good, { event: 'a' })
      expect([next.status, next.json.code]).toEqual([202, undefined])
    }
    // Sooner than bytes that nobody released would be dropped, the address's own share is free again.
    const sender = key === '' || kind.includes('made-up') ? good : key
    await expect
      .poll(async () => (await upload(full(sender))).status, { timeout: 2_500, interval: 100 })
      .toBe(200)
  })

  // The collector appends in one request what others send in several, so none of them can be waited for.
  if (harness.runtime !== 'collector')
    it('do not keep the byte budget when they leave while their events are published', async () => {
      const good = harness.newKey()
      expect((await harness.post(good, { event: 'a' })).status).toBe(202)
      let respond = () => {}
      const until = new Promise<void>((resolve) => {
        respond = resolve
      })
      // Each is another tenant's, so that only what all of them hold decides.
      const keys = Array.from({ length: FULL_BODIES }, () => harness.newKey())
      const before = harness.gateway.requestCounts.produce
      harness.gateway.produceFaults.push(...keys.map(() => ({ until })))
      const body = `{"event":"a"${' '.repeat(LIMITS.bodyBytesMax - 13)}}`
      const leavers = await Promise.all(keys.map(() => openSocket(harness.edge.port)))
      for (const [i, leaver] of leavers.entries())
        leaver.write(requestHead(keys[i] as string, `Content-Length: ${body.length}`) + body)
      await expect
        .poll(() => harness.gateway.requestCounts.produce - before, { interval: 10 })
        .toBe(keys.length)
      expect((await harness.post(good, { event: 'a' })).json.code).toBe('OVERLOADED')
      for (const leaver of leavers) leaver.reset()
      await Promise.all(leavers.map(({ closed }) => closed))
      respond()
      // Bytes that nobody released would be dropped 4 s after they were taken, at the earliest.
      await expect
        .poll(async () => (await harness.post(good, { event: 'a' })).status, {
          timeout: 2_500,
          interval: 50,
        })
        .toBe(202)
    })

  /** With its key in the body alone. */
  function upload(body: string) {
    const headers = { 'content-type': 'application/json' }
    return send(harness.edge.port, { path: '/batch', headers, body })
  }

  async function startUpload(body: string): Promise<RawConnection> {
    const socket = await openSocket(harness.edge.port)
    const length = Buffer.byteLength(body)
    socket.write(
      `POST /batch HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`,
    )
    const sent = Math.random() < 0.5 ? length : Math.floor(Math.random() * length)
    socket.write(body.slice(0, sent))
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 20))
    return socket
  }

  it('a body in chunks of one byte neither takes memory nor ends the edge', async () => {
    const key = harness.newKey({ kind: 'pub' })
    const body = `{"api_key":"${key}","batch":[{"event":"tiny","distinct_id":"d"}],"x":"${'x'.repeat(BODY_BYTES[harness.runtime])}"}`
    const socket = await openSocket(harness.edge.port)
    socket.write(
      'POST /batch HTTP/1.1\r\nHost: edge\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    const before = await residentBytes(harness.edge.pid)
    let peak = before
    const watch = setInterval(async () => {
      peak = Math.max(peak, await residentBytes(harness.edge.pid))
    }, 50)
    socket.write(`${body.replace(/./g, '1\r\n$&\r\n')}0\r\n\r\n`)
    // Accepted, or too slow on a busy machine; never a process that ended.
    await expect.poll(() => socket.received(), { timeout: 20_000 }).toMatch(/^HTTP\/1\.1 (200|408)/)
    clearInterval(watch)
    expect(peak - before).toBeLessThan(MEMORY_MAX[harness.runtime])
    socket.reset()
    expect((await harness.post(harness.newKey(), { event: 'a' })).status).toBe(202)
  }, 40_000)
})

/** Deno takes 10 s for a million chunks on a quiet machine. */
const BODY_BYTES = {
  workerd: LIMITS.bodyBytesMax - 200,
  deno: 200_000,
  node: LIMITS.bodyBytesMax - 200,
  collector: LIMITS.bodyBytesMax - 200,
}

/** With every chunk kept the same body took 750 MiB in workerd and 350 MiB in Node. */
const MEMORY_MAX = { workerd: 200e6, deno: 400e6, node: 200e6, collector: 200e6 }

async function residentBytes(pid: number): Promise<number> {
  const { readFile } = await import('node:fs/promises')
  const text = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? 0) * 1024
}
