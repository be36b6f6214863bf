import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { LIMITS } from '../../contract/limits.ts'
import type { CreateResponse } from '../http/context.ts'
import { beginRequest, endRequest } from './limit-connection.ts'
import { NodeRequest } from './node-request.ts'
import { createNodeResponse, sendResponse } from './send-response.ts'

/** What the edge gets with a request. */
export interface NodeEnv {
  incoming: IncomingMessage
  createResponse: CreateResponse
}

export interface ServeOptions {
  host: string
  /** 0: any free one */
  port: number
  /** A certificate and its key as PEM: HTTPS instead of HTTP. */
  tls?: { cert: string; key: string } | undefined
}

export interface ServedEdge {
  /** http://127.0.0.1:…, or https:// */
  url: string
  port: number
  /** Accepts no more requests; resolves when the open ones have their response, or after STOP_MS_MAX without it. */
  close(): Promise<void>
}

type Fetch = (request: Request, env: NodeEnv) => Response | Promise<Response>

/** Open requests get their response, within as long as a log may hang. */
const STOP_MS_MAX = LIMITS.publishMsMax + 1_000

/** For what cannot be read as HTTP, the same as Node's own: no step of the edge has seen it. */
const STATUS_OF_ERROR: Record<string, string> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: '413 Payload Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/** An edge on Node's own HTTP server. @throws EADDRINUSE when the port is in use */
export async function serveEdge(fetch: Fetch, options: ServeOptions): Promise<ServedEdge> {
  const server = createHttpServer(options.tls)
  const open = new Set<ServerResponse>()
  let stopping = false

  server.on('request', (incoming, outgoing) => {
    if (!beginRequest(incoming)) return
    open.add(outgoing)
    if (stopping) outgoing.setHeader('connection', 'close')
    const request = respondTo(fetch, incoming, outgoing)
    outgoing.once('close', () => {
      open.delete(outgoing)
      request?.discardBody()
      endRequest(incoming)
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

  await listen(server, options)
  const { address, family, port } = server.address() as AddressInfo
  const host = family === 'IPv6' ? `[${address}]` : address
  return {
    url: `${options.tls ? 'https' : 'http'}://${host}:${port}`,
    port,
    async close() {
      stopping = true
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const response of open)
        if (!response.headersSent) response.setHeader('connection', 'close')
      // Node does not count a connection without a request yet as idle.
      if (open.size === 0) server.closeAllConnections()
      const timer = setTimeout(() => server.closeAllConnections(), STOP_MS_MAX)
      await closed
      clearTimeout(timer)
    },
  }
}

function createHttpServer(tls: ServeOptions['tls']): Server {
  const options: ServerOptions = {
    // How often Node checks for late request heads; its default of 30 s would quadruple the deadline.
    connectionsCheckingInterval: 500,
    // As much as Deno accepts: a pixel carries its event in the query.
    maxHeaderSize: 64 * 1024,
    // As Headers do, instead of dropping the second one.
    joinDuplicateHeaders: true,
  }
  const server = tls ? createTlsServer({ ...options, ...tls }) : createServer(options)
  server.headersTimeout = LIMITS.bodyReadMsMax
  // A body's deadline is the edge's own (`readBody`), which responds BODY_TOO_SLOW; Node's only closes.
  server.requestTimeout = 0
  // Longer than load balancers keep theirs: the side that closes first must not be the one with a request on its way.
  server.keepAliveTimeout = 75_000
  // A client that neither sends nor reads. An NDJSON stream brings more, or is ended sooner.
  server.timeout = LIMITS.edgeSilenceMsMax
  server.maxConnections = LIMITS.edgeConnectionsMax
  // A client that closes its side after the request still gets its response.
  return Object.assign(server, { httpAllowHalfOpen: true })
}

function listen(server: Server, { port, host }: ServeOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

/** @returns undefined for a request without a valid host or URL */
function respondTo(
  fetch: Fetch,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
): NodeRequest | undefined {
  let request: NodeRequest
  try {
    request = new NodeRequest(incoming)
  } catch {
    outgoing.writeHead(400, { connection: 'close' }).end()
    return undefined
  }
  const env = { incoming, createResponse: createNodeResponse }
  Promise.resolve(fetch(request as unknown as Request, env))
    .then((response) => sendResponse(outgoing, response))
    // The edge turns every error into a response; what fails here is a response whose client has left.
    .catch((error: Error) => outgoing.destroy(error))
  return request
}
