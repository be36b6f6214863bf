import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { createUnreadResponses } from '../../node/limit-connection.ts'
import { createNodeResponse } from '../../node/send-response.ts'
import { type NodeEnv, serveEdge } from '../../node/serve-edge.ts'
import { openSocket } from '../../testing/socket.ts'

const GET = 'GET /healthz HTTP/1.1\r\nHost: edge\r\n\r\n'

const POST = 'POST / HTTP/1.1\r\nHost: edge\r\nContent-Length: 100000000\r\n\r\n'

/** The Node edge's server in this process, in front of `respond`. */
async function serve(respond: (request: Request, env: NodeEnv) => Response | Promise<Response>) {
  const served = await serveEdge(respond, { host: '127.0.0.1', port: 0 })
  onTestFinished(() => served.close())
  return served
}

const ok = () => createNodeResponse('ok', { status: 200, headers: {} })

test('a client that resets the connection behind its request, and so has no address, is not served', async () => {
  const addresses: (string | undefined)[] = []
  const { port, url } = await serve((_, { incoming }) => {
    addresses.push(incoming.socket.remoteAddress)
    return ok()
  })
  for (let i = 0; i < 5; i++)
    await new Promise<void>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(GET)
        socket.resetAndDestroy()
      })
      socket.once('close', () => resolve())
    })
  expect((await fetch(url)).status).toBe(200)
  expect(addresses).toEqual(['127.0.0.1'])
})

test('a connection may have 32 unanswered requests; with one more it is closed, and what came with it is not served', async () => {
  const { promise: letGo, resolve } = Promise.withResolvers<void>()
  let served = 0
  const { port } = await serve(async () => {
    served++
    await letGo
    return ok()
  })
  const many = await openSocket(port)
  const most = await openSocket(port)
  many.write(GET.repeat(2_000))
  await many.closed
  expect(served).toBe(LIMITS.edgePipelinedRequestsMax)
  most.write(GET.repeat(LIMITS.edgePipelinedRequestsMax))
  await expect.poll(() => served).toBe(2 * LIMITS.edgePipelinedRequestsMax)
  resolve()
  await expect.poll(() => most.received().match(/ 200 OK/g)?.length).toBe(32)
  // The next ones are counted from zero.
  most.write(GET)
  await expect.poll(() => most.received().match(/ 200 OK/g)?.length).toBe(33)
  most.reset()
})

/** Sends a GET and never reads. */
function openSilent(port: number): void {
  const socket = connect(port, '127.0.0.1', () => socket.write(GET))
  socket.on('error', () => {})
  socket.pause()
  onTestFinished(() => void socket.destroy())
}

// More than the system's own buffers take.
const LARGE = 'x'.repeat(20 * 1024 * 1024)

test('of clients that read nothing, the oldest lose their responses when all together hold 32 MiB', async () => {
  const outcomes: string[] = []
  const { port, url } = await serve((_, { incoming }) => {
    const i = outcomes.push('open') - 1
    incoming.socket.once('close', () => (outcomes[i] = 'closed'))
    return createNodeResponse(LARGE, { status: 200, headers: {} })
  })
  for (let i = 1; i <= 4; i++) {
    openSilent(port)
    await expect.poll(() => outcomes.length).toBe(i)
  }
  await expect.poll(() => outcomes).toEqual(['closed', 'closed', 'closed', 'open'])
  expect((await (await fetch(url)).text()).length).toBe(LARGE.length)
})

test('a client that does not read its response in time is disconnected', async () => {
  const holdUnread = createUnreadResponses({ edgeUnreadBytesMax: 1e9, edgeUnreadMsMax: 200 })
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  const server = createServer((incoming, outgoing) => {
    incoming.socket.once('close', resolve)
    holdUnread(outgoing, LARGE.length)
    outgoing.end(LARGE)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  openSilent((server.address() as AddressInfo).port)
  await closed
  server.close()
})

test('a client that goes on with a body after the response is disconnected', async () => {
  const { port } = await serve(() => createNodeResponse('no', { status: 401, headers: {} }))
  const [slow, fast] = [await openSocket(port), await openSocket(port)]
  slow.write(POST)
  fast.write(POST)
  const drip = setInterval(() => slow.write('x'), 500)
  fast.write('x'.repeat(2 * LIMITS.edgeDiscardedBytesMax))
  await fast.closed
  expect(slow.received()).toContain('401')
  await slow.closed
  clearInterval(drip)
})
