import { type IncomingMessage, request } from 'node:http'

/** A request whose body the test writes step by step while it reads the response. */
export interface OpenPost {
  /** Resolves when the socket accepts more. */
  write(part: string | Uint8Array): Promise<void>
  /** @param last what is sent before the end */
  end(last?: string): void
  /** Breaks the connection in the middle of the body. */
  breakOff(): void
  /** undefined until the head of the response arrived. */
  status(): number | undefined
  headers(): IncomingMessage['headers']
  /** The body of the response so far. */
  received(): string
  /** Resolves when the response has ended or the connection broke. */
  finished: Promise<void>
}

export function openPost(
  port: number,
  headers: Record<string, string>,
  path = '/v1/events',
): OpenPost {
  let response: IncomingMessage | undefined
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
      response = incoming
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
    end: (last) => void outgoing.end(last),
    breakOff: () => void outgoing.destroy(),
    status: () => response?.statusCode,
    headers: () => response?.headers ?? {},
    received: () => text,
    finished: over,
  }
}
