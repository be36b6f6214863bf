import { connect, type Socket } from 'node:net'

const SILENCE_MS_MAX = 20_000

/** A plain TCP connection, for requests that no HTTP client can send. */
export interface RawConnection {
  write(text: string): void
  /** Sends FIN; the response can still be read. */
  halfClose(): void
  /** Sends RST. */
  reset(): void
  /** Everything received so far. */
  received(): string
  /** Resolves when the server closed its side or the connection broke. */
  closed: Promise<void>
}

export async function openSocket(port: number): Promise<RawConnection> {
  const socket: Socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true })
  let text = ''
  socket.setTimeout(SILENCE_MS_MAX, () => socket.destroy())
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  const closed = new Promise<void>((resolve) => {
    socket.on('end', () => {
      socket.end()
      resolve()
    })
    socket.on('close', () => resolve())
    socket.on('error', () => resolve())
  })
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
  return {
    write: (part) => void socket.write(part),
    halfClose: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
    received: () => text,
    closed,
  }
}

/** The head of a POST /v1/events as sent on the wire. */
export function requestHead(key: string, ...lines: string[]): string {
  return [
    'POST /v1/events HTTP/1.1',
    'Host: edge',
    `Authorization: Bearer ${key}`,
    'Content-Type: application/json',
    ...lines,
    '\r\n',
  ].join('\r\n')
}
