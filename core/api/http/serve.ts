import type { IncomingMessage, Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createAdaptorServer } from '@hono/node-server'

export interface Served {
  /** http://127.0.0.1:…, or https:// */
  url: string
  port: number
  /** Accepts no more requests, gives the running ones `graceMs` to end, then closes all connections: streams never end by themselves. */
  close(graceMs?: number): Promise<void>
}

export interface ServeOptions {
  port: number
  hostname?: string
  /** A certificate and its key as PEM: HTTPS instead of HTTP. */
  tls?: { cert: string; key: string }
  /** Gets what asks for a WebSocket; without it nothing does. */
  sockets?: Sockets | undefined
}

/** WebSockets beside the app. */
export interface Sockets {
  /** Takes the connection over, or ends it. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void
  /** Closes all of them. */
  close(): void
}

/** @param port 0 for any free one; @throws EADDRINUSE when the port is in use */
export async function serveApp(
  app: { fetch: (request: Request, env: object) => Response | Promise<Response> },
  { port, hostname = '127.0.0.1', tls, sockets }: ServeOptions,
): Promise<Served> {
  // With the connection, for the client's address.
  const fetch = (request: Request, env: { incoming: { socket: Socket } }) => {
    const { socket } = env.incoming
    // Limits by address need one. Node keeps what it reads here; of a connection that was reset it cannot read it.
    if (socket.remoteAddress !== undefined) return app.fetch(request, env)
    socket.destroy()
    return new Response(null, { status: 400 })
  }
  const serverOptions = {
    ...tls,
    // Clients of HTTP/2 ask for h2c in plain requests; those stay requests of HTTP/1.1.
    shouldUpgradeCallback: ({ headers }: IncomingMessage) =>
      sockets !== undefined && headers.upgrade?.toLowerCase() === 'websocket',
  }
  const server = createAdaptorServer(
    tls ? { fetch, createServer: createTlsServer, serverOptions } : { fetch, serverOptions },
  ) as Server
  if (sockets) server.on('upgrade', sockets.upgrade)
  server.headersTimeout = 10_000
  server.requestTimeout = 30_000
  // Longer than clients keep theirs: a server that closes first may do so while a request arrives.
  server.keepAliveTimeout = 75_000
  let running = 0
  let closing = false
  server.on('request', (_, response) => {
    running++
    response.once('close', () => {
      running--
      if (closing && running === 0) server.closeAllConnections()
    })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, hostname, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const address = server.address() as AddressInfo
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return {
    url: `${tls ? 'https' : 'http'}://${host}:${address.port}`,
    port: address.port,
    async close(graceMs = 2_000) {
      closing = true
      sockets?.close()
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      // Node does not count a connection without a first request as idle.
      if (running === 0) server.closeAllConnections()
      const timer = setTimeout(() => server.closeAllConnections(), graceMs)
      await closed
      clearTimeout(timer)
    },
  }
}
