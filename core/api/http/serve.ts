import type { Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'

export interface Served {
  /** http://127.0.0.1:…, or https:// */
  url: string
  port: number
  /** Takes no more requests, lets those under way end for a while, then cuts what is left: streams never end by themselves. */
  close(graceMs?: number): Promise<void>
}

export interface ServeOptions {
  port: number
  hostname?: string
  /** A certificate and its key as PEM: HTTPS then, and no HTTP. */
  tls?: { cert: string; key: string }
}

/** @throws EADDRINUSE when the port is taken; 0 takes any free one */
export async function serveApp(
  app: { fetch: (request: Request) => Response | Promise<Response> },
  { port, hostname = '127.0.0.1', tls }: ServeOptions,
): Promise<Served> {
  const fetch = (request: Request) => app.fetch(request)
  const server = createAdaptorServer(
    tls ? { fetch, createServer: createTlsServer, serverOptions: tls } : { fetch },
  ) as Server
  server.headersTimeout = 10_000
  server.requestTimeout = 30_000
  // Longer than clients keep theirs: whoever closes first must not be the one who is just being asked.
  server.keepAliveTimeout = 75_000
  let underWay = 0
  let closing = false
  server.on('request', (_, response) => {
    underWay++
    response.once('close', () => {
      underWay--
      if (closing && underWay === 0) server.closeAllConnections()
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
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      // A connection on which nothing was asked yet does not count as idle with Node.
      if (underWay === 0) server.closeAllConnections()
      const timer = setTimeout(() => server.closeAllConnections(), graceMs)
      await closed
      clearTimeout(timer)
    },
  }
}
