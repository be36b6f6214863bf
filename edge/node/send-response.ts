import type { ServerResponse } from 'node:http'
import type { CreateResponse } from '../http/context.ts'

/** The part of `Response` that the edge and Hono use, without its Headers and stream. */
class NodeResponse {
  readonly body: string | Uint8Array | null
  readonly status: number
  readonly headers: Record<string, string>

  constructor(
    body: string | Uint8Array | null,
    { status, headers }: { status: number; headers: Record<string, string> },
  ) {
    this.body = body
    this.status = status
    this.headers = headers
  }
}

export const createNodeResponse: CreateResponse = (body, init) =>
  new NodeResponse(body, init) as unknown as Response

/** Head and body in one write, except for streams. Resolves when all is written or the client has left. */
export function sendResponse(outgoing: ServerResponse, response: Response): void | Promise<void> {
  if (!(response instanceof NodeResponse)) return sendStream(outgoing, response)
  const { body, status, headers } = response as NodeResponse
  if (body === null) {
    outgoing.writeHead(status, headers).end()
    return
  }
  headers['content-length'] = String(
    typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength,
  )
  outgoing.writeHead(status, headers).end(body)
}

async function sendStream(outgoing: ServerResponse, response: Response): Promise<void> {
  outgoing.writeHead(response.status, Object.fromEntries(response.headers))
  if (!response.body) {
    outgoing.end()
    return
  }
  outgoing.flushHeaders()
  const reader = response.body.getReader()
  const left = () => void reader.cancel().catch(() => {})
  outgoing.once('close', left)
  for (;;) {
    const { done, value } = await reader.read()
    if (done || outgoing.destroyed) break
    if (!outgoing.write(value)) await drained(outgoing)
  }
  outgoing.off('close', left)
  outgoing.end()
}

function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      outgoing.off('drain', done).off('close', done)
      resolve()
    }
    outgoing.once('drain', done).once('close', done)
  })
}
