import { connect } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type RunningEdge, startEdge } from '../testing/runtimes.ts'
import { send } from '../testing/send.ts'
import { openSocket, requestHead } from '../testing/socket.ts'
import { type StubGateway, startStubGateway } from '../testing/stub-gateway.ts'

/** What only the entry for Node implements: listening and shutting down. */
const EVENT = '{"event":"a"}'
let gateway: StubGateway
let edge: RunningEdge

beforeEach(async () => {
  gateway = await startStubGateway()
  edge = await startEdge('node', gateway)
})
afterEach(async () => {
  await edge.stop()
  await gateway.close()
})

const authorized = () => ({ authorization: `Bearer ${gateway.addKey().key}` })
const knock = () =>
  new Promise<string>((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: edge.port })
    socket.once('connect', () => resolve('open'))
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
    socket.once('connect', () => socket.destroy())
  })

it('the Node edge finishes open requests, accepts no new ones and exits on SIGTERM', async () => {
  const headers = authorized()
  await send(edge.port, { headers, body: EVENT })
  gateway.produceFaults.push('hang')
  const requestsBefore = gateway.requestCounts.produce
  const underWay = send(edge.port, { headers, body: EVENT })
  await expect.poll(() => gateway.requestCounts.produce).toBe(requestsBefore + 1)
  const begun = performance.now()
  const stopped = edge.stop()
  await expect.poll(knock).toBe('ECONNREFUSED')
  const response = await underWay
  // The log does not respond within three seconds; the client gets that error, not just a closed connection.
  expect([response.status, response.json.code]).toEqual([503, 'LOG_UNAVAILABLE'])
  expect(response.headers.connection).toBe('close')
  await stopped
  expect(performance.now() - begun).toBeLessThan(15_000)
})

it('an idle Node edge exits at once on SIGTERM, even with open connections', async () => {
  await send(edge.port, { headers: authorized(), body: EVENT })
  const idle = await openSocket(edge.port)
  const begun = performance.now()
  await edge.stop()
  expect(performance.now() - begun).toBeLessThan(3_500)
  await idle.closed
})

it('the Node edge waits at most four seconds on SIGTERM for a body that does not arrive', async () => {
  const slow = await openSocket(edge.port)
  slow.write(`${requestHead(gateway.addKey().key, 'Content-Length: 100')}{`)
  await send(edge.port, { headers: authorized(), body: EVENT })
  const begun = performance.now()
  await edge.stop()
  expect(performance.now() - begun).toBeGreaterThan(3_500)
  expect(performance.now() - begun).toBeLessThan(15_000)
  await slow.closed
})

it('the Node edge listens on loopback by default', () => {
  expect(edge.log()).toMatch(/^edge on http:\/\/127\.0\.0\.1:\d+$/m)
})
