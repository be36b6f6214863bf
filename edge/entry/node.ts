import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createAdaptorServer, type HttpBindings } from '@hono/node-server'
import { LIMITS } from '../../contract/limits.ts'
import { abortOnTimeout } from '../lib/timeout.ts'
import { composeEdge } from './compose.ts'
import { readSettings } from './settings.ts'

/** After SIGTERM, open requests get their response, within as long as a log may hang. */
const STOP_MS_MAX = LIMITS.publishMsMax + 1_000

/** For what cannot be read as HTTP, the same as Node's own: no step of the edge has seen it. */
const STATUS_OF_ERROR: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

const edge = composeEdge(readSettings(process.env), {
  timeout: abortOnTimeout,
  edgeNameOf: () => 'node',
  addressOf: (_, env) => (env as HttpBindings).incoming.socket.remoteAddress,
})

const server = createAdaptorServer({
  fetch: (request, env) => edge.fetch(asSent(request, (env as HttpBindings).incoming), env),
  serverOptions: {
    // How often Node checks for late request heads; its default of 30 s would quadruple the deadline.
    connectionsCheckingInterval: 500,
    // As much as Deno accepts: a pixel carries its event in the query.
    maxHeaderSize: 64 * 1024,
  },
}) as Server
server.headersTimeout = LIMITS.bodyReadMsMax
// A body's deadline is the edge's own (`readBody`), which responds BODY_TOO_SLOW; Node's only closes.
server.requestTimeout = 0
// Longer than load balancers keep theirs: the side that closes first must not be the one with a request on its way.
server.keepAliveTimeout = 75_000
// A client that closes its side after the request still gets its response.
Object.assign(server, { httpAllowHalfOpen: true })

const open = new Set<ServerResponse>()
let stopping = false
server.on('request', (request, response) => {
  open.add(response)
  if (stopping) response.setHeader('connection', 'close')
  response.once('close', () => {
    open.delete(response)
    // The reader of the body is gone, but would pause it again and again: the rest would never end, and
    // the connection would be cut under the client's next request.
    if (!request.complete) request.removeAllListeners('data').resume()
    if (stopping && open.size === 0) server.closeAllConnections()
  })
})

server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
  // An earlier request on this connection was complete, and its response must arrive: it may be a success.
  const before = [...open].findLast(({ req }) => req.socket === socket)
  if (before?.req.complete) {
    if (!before.headersSent) before.setHeader('connection', 'close')
    return
  }
  if (socket.writable && !before?.headersSent)
    socket.write(
      `HTTP/1.1 ${STATUS_OF_ERROR[error.code ?? ''] ?? '400 Bad Request'}\r\nConnection: close\r\n\r\n`,
    )
  socket.destroy(error)
})

function stop(): void {
  if (stopping) return
  stopping = true
  server.close(() => process.exit(0))
  for (const response of open) if (!response.headersSent) response.setHeader('connection', 'close')
  // Node does not count a connection without a request yet as idle.
  if (open.size === 0) server.closeAllConnections()
  setTimeout(() => server.closeAllConnections(), STOP_MS_MAX)
}
process.on('SIGTERM', stop)
process.on('SIGINT', stop)

server.listen(Number(process.env.PORT || 8787), process.env.HOST || '127.0.0.1', () => {
  const { address, family, port } = server.address() as AddressInfo
  console.log(`edge on http://${family === 'IPv6' ? `[${address}]` : address}:${port}`)
})

/** The adaptor resolves `/x/../v1/events`; the other runtimes leave the path as it was sent, and respond 404. */
function asSent(request: Request, { url = '/', headers }: IncomingMessage): Request {
  if (!url.startsWith('/') || request.url.endsWith(url)) return request
  return Object.defineProperty(request, 'url', { value: `http://${headers.host}${url}` })
}
