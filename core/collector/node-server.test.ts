import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { type NodeEnv, serveEdge } from '../../edge/node/serve-edge.ts'

/** Longer than any deadline of the server. */
const LONG_MS = 600_000

// Tests decide when deadlines are over; the server's own sockets are real.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

async function serve(
  respond: (request: Request, env: NodeEnv) => Response | Promise<Response>,
): Promise<{ socket: Socket; received: () => string }> {
  const served = await serveEdge(respond, { host: '127.0.0.1', port: 0 })
  const socket = connect(served.port, '127.0.0.1')
  await once(socket, 'connect')
  onTestFinished(async () => {
    socket.destroy()
    await served.close()
  })
  let received = ''
  socket.on('data', (chunk) => (received += chunk))
  return { socket, received: () => received }
}

const refuse = (_: Request, { createResponse }: NodeEnv) =>
  createResponse(null, { status: 401, headers: { 'content-length': '0' } })
const refusals = (received: string) => received.match(/^HTTP\/1\.1 401/gm)?.length ?? 0

test('a client that was refused early and sent the rest of its body keeps its connection', async () => {
  const { socket, received } = await serve(refuse)
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab')
  await expect.poll(() => refusals(received())).toBe(1)
  socket.write('cde')
  socket.write('GET /second HTTP/1.1\r\nHost: a\r\n\r\n')
  await expect.poll(() => refusals(received())).toBe(2)
  vi.advanceTimersByTime(LONG_MS)
  socket.write('GET /third HTTP/1.1\r\nHost: a\r\n\r\n')
  await expect.poll(() => refusals(received())).toBe(3)
})

test('a client that was refused early and never sends the rest of its body is disconnected', async () => {
  const { socket, received } = await serve(refuse)
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab')
  await expect.poll(() => refusals(received())).toBe(1)
  expect(socket.closed).toBe(false)
  vi.advanceTimersByTime(LONG_MS)
  await expect.poll(() => socket.closed || socket.readableEnded).toBe(true)
})

test('a client that does not read its stream is disconnected', async () => {
  const { promise: isOver, resolve: goOn } = Promise.withResolvers<void>()
  let pulled = 0
  const { socket, received } = await serve(
    () =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            if (pulled++ === 0) return controller.enqueue(new Uint8Array(16 * 1024 * 1024))
            await isOver
            controller.enqueue(new TextEncoder().encode('the end'))
            controller.close()
          },
        }),
      ),
  )
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await expect.poll(() => vi.getTimerCount()).toBe(1)
  vi.advanceTimersByTime(LONG_MS)
  goOn()
  socket.resume()
  await once(socket, 'close')
  expect(received()).not.toContain('the end')
})
