import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A line to a server that can be made slow, swallow everything, be cut, or listened in to. */
export interface TcpProxy {
  port: number
  /** Held back before it goes on, either way. */
  delayMs: number
  /** Connections are taken, bytes are read, and nothing is passed on. */
  blackHole: boolean
  /** What clients wrote, a chunk at a time. */
  written: Buffer[]
  cut(): void
  /** Nobody listens any more. @returns what lets it listen again, on the same port */
  refuse(): Promise<() => Promise<void>>
  close(): Promise<void>
}

/** @param to of a server on this machine */
export async function startTcpProxy(to: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const target = connect(to, '127.0.0.1')
    join(client, target, (bytes) => proxy.written.push(bytes))
    join(target, client, () => {})
  })

  function join(from: Socket, into: Socket, see: (bytes: Buffer) => void): void {
    sockets.add(from)
    from.setNoDelay(true)
    from.on('data', (bytes) => {
      see(bytes)
      if (proxy.blackHole) return
      if (proxy.delayMs === 0) into.write(bytes)
      else setTimeout(() => into.writable && into.write(bytes), proxy.delayMs)
    })
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      into.destroy()
    })
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const proxy: TcpProxy = {
    port: (server.address() as AddressInfo).port,
    delayMs: 0,
    blackHole: false,
    written: [],
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    async refuse() {
      await proxy.close()
      return async () => {
        server.listen(proxy.port, '127.0.0.1')
        await once(server, 'listening')
      }
    },
    async close() {
      proxy.cut()
      server.close()
      await once(server, 'close')
    },
  }
  return proxy
}
