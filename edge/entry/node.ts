import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createAdaptorServer, type HttpBindings } from '@hono/node-server'
import { LIMITS } from '../../contract/limits.ts'
import { abortOnTimeout } from '../lib/timeout.ts'
import { composeEdge, type EdgeSettings } from './compose.ts'

/** Whoever is asked to stop answers what was asked before, and no longer than a log may hang. */
const STOP_MS_MAX = LIMITS.publishMsMax + 1_000

/** What cannot be read as HTTP is answered as Node itself would: no step of the edge has seen it. */
const SAID_BY_NODE: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

const edge = composeEdge(process.env as unknown as EdgeSettings, {
  timeout: abortOnTimeout,
  edgeNameOf: () => 'node',
  addressOf: (_, env) => (env as HttpBindings).incoming.socket.remoteAddress,
})

const server = createAdaptorServer({
  fetch: (request, env) => edge.fetch(asSent(request, (env as HttpBindings).incoming), env),
  serverOptions: {
    // How often Node looks whose head is late; its own half a minute would quadruple the deadline.
    connectionsCheckingInterval: 500,
    // As much as Deno takes: a pixel carries its event in the query.
    maxHeaderSize: 64 * 1024,
  },
}) as Server
server.headersTimeout = LIMITS.bodyReadMsMax
// A body's deadline is the edge's own (`readBody`), which can say BODY_TOO_SLOW; Node's says nothing.
server.requestTimeout = 0
// Longer than balancers keep theirs: whoever closes first must not be the one who is just being asked.
server.keepAliveTimeout = 75_000
// A client that closes its side when it has said all still gets its answer.
Object.assign(server, { httpAllowHalfOpen: true })

const underWay = new Set<ServerResponse>()
let stopping = false
server.on('request', (request, response) => {
  underWay.add(response)
  if (stopping) response.setHeader('connection', 'close')
  response.once('close', () => {
    underWay.delete(response)
    // Whoever listened for the body has left, but would pause it again and again: the rest would never
    // be over, and the connection be cut under the client's next request.
    if (!request.complete) request.removeAllListeners('data').resume()
    if (stopping && underWay.size === 0) server.closeAllConnections()
  })
})

server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
  // What came before on this connection was whole, and its answer must be heard: it may be a yes.
  const before = [...underWay].findLast(({ req }) => req.socket === socket)
  if (before?.req.complete) {
    if (!before.headersSent) before.setHeader('connection', 'close')
    return
  }
  if (socket.writable && !before?.headersSent)
    socket.write(
      `HTTP/1.1 ${SAID_BY_NODE[error.code ?? ''] ?? '400 Bad Request'}\r\nConnection: close\r\n\r\n`,
    )
  socket.destroy(error)
})

function stop(): void {
  if (stopping) return
  stopping = true
  server.close(() => process.exit(0))
  for (const response of underWay)
    if (!response.headersSent) response.setHeader('connection', 'close')
  // A connection on which nothing was asked yet does not count as idle with Node.
  if (underWay.size === 0) server.closeAllConnections()
  setTimeout(() => server.closeAllConnections(), STOP_MS_MAX)
}
process.on('SIGTERM', stop)
process.on('SIGINT', stop)

server.listen(Number(process.env.PORT || 8787), process.env.HOST || '127.0.0.1', () => {
  const { address, family, port } = server.address() as AddressInfo
  console.log(`edge on http://${family === 'IPv6' ? `[${address}]` : address}:${port}`)
})

/** The adaptor resolves `/x/../v1/events`; the other runtimes leave the path as it was sent, and nothing is there. */
function asSent(request: Request, { url = '/', headers }: IncomingMessage): Request {
  if (!url.startsWith('/') || request.url.endsWith(url)) return request
  return Object.defineProperty(request, 'url', { value: `http://${headers.host}${url}` })
}
