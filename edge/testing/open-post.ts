import { type IncomingMessage, request } from 'node:http'

/** A request whose body is written while the test goes on, and whose answer can be read meanwhile. */
export interface OpenPost {
  /** Resolves when there is room for more. */
  write(part: string | Uint8Array): Promise<void>
  end(): void
  /** The connection breaks, in the middle of the body. */
  breakOff(): void
  /** undefined until the head of the answer is there. */
  status(): number | undefined
  headers(): IncomingMessage['headers']
  /** Of the answer's body, so far. */
  received(): string
  /** When the answer has ended, or the connection broke. */
  over: Promise<void>
}

export function openPost(
  port: number,
  headers: Record<string, string>,
  path = '/v1/events',
): OpenPost {
  let answer: IncomingMessage | undefined
  let text = ''
  let isOver = false
  const outgoing = request({
    host: '127.0.0.1',
    port,
    path,
    method: 'POST',
    agent: false,
    headers: { ...headers, 'transfer-encoding': 'chunked' },
  })
  outgoing.flushHeaders()
  const over = new Promise<void>((resolve) => {
    const end = () => {
      isOver = true
      resolve()
    }
    outgoing.on('error', end)
    outgoing.on('close', end)
    outgoing.on('response', (incoming) => {
      answer = incoming
      incoming.setEncoding('utf8')
      incoming.on('data', (part: string) => {
        text += part
      })
      incoming.on('end', end)
      incoming.on('error', end)
    })
  })
  return {
    write: (part) =>
      new Promise((resolve) => {
        if (isOver || outgoing.write(part)) resolve()
        else
          Promise.race([new Promise((done) => outgoing.once('drain', done)), over]).then(() =>
            resolve(),
          )
      }),
    end: () => void outgoing.end(),
    breakOff: () => void outgoing.destroy(),
    status: () => answer?.statusCode,
    headers: () => answer?.headers ?? {},
    received: () => text,
    over,
  }
}
