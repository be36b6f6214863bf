import { connect, type Socket } from 'node:net'

/**
 * Sends bodies one after the other on each of a few connections, with as little CPU as possible, because the load
 * generator shares the machine. @throws when a response is not 200
 */
export async function sendAll(
  url: string,
  headers: Record<string, string>,
  bodies: readonly Buffer[],
  connections: number,
): Promise<void> {
  const { hostname, port, pathname } = new URL(url)
  const head = [`POST ${pathname} HTTP/1.1`, `Host: ${hostname}:${port}`]
    .concat(Object.entries(headers).map(([name, value]) => `${name}: ${value}`))
    .join('\r\n')
  let next = 0
  const sendOnConnection = async () => {
    const socket = connect(Number(port), hostname)
    socket.setNoDelay(true)
    const nextResponse = responsesOf(socket)
    try {
      for (let i = next++; i < bodies.length; i = next++) {
        const body = bodies[i] as Buffer
        socket.cork()
        socket.write(`${head}\r\nContent-Length: ${body.length}\r\n\r\n`)
        socket.write(body)
        socket.uncork()
        const { status, text } = await nextResponse()
        if (status !== 200) throw new Error(`request ${i}: ${status} ${text.slice(0, 300)}`)
      }
    } finally {
      socket.destroy()
    }
  }
  await Promise.all(Array.from({ length: connections }, sendOnConnection))
}

/** Reads one response after the other, with Content-Length or chunked. */
export function responsesOf(socket: Socket): () => Promise<{ status: number; text: string }> {
  let parts: Buffer[] = []
  let size = 0
  let needed = 0
  let pending: PromiseWithResolvers<{ status: number; text: string }> | undefined
  socket.on('data', (chunk) => {
    parts.push(chunk)
    size += chunk.length
    // A long response arrives in many chunks; it is parsed only when it can be complete.
    if (size < needed) return
    const text = Buffer.concat(parts).toString('latin1')
    const end = text.indexOf('\r\n\r\n')
    if (end < 0) return
    const length = /\r\ncontent-length: (\d+)/i.exec(text.slice(0, end))?.[1]
    if (length === undefined) {
      if (!text.endsWith('\r\n0\r\n\r\n')) return
    } else {
      needed = end + 4 + Number(length)
      if (size < needed) return
    }
    parts = []
    size = needed = 0
    pending?.resolve({ status: Number(text.slice(9, 12)), text: text.slice(end + 4) })
  })
  socket.on('error', (error) => pending?.reject(error))
  socket.on('close', () => pending?.reject(new Error('the connection was closed')))
  return () => {
    pending = Promise.withResolvers()
    return pending.promise
  }
}
