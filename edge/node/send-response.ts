import type { ServerResponse } from 'node:http'
import { LIMITS } from '../../contract/limits.ts'
import type { CreateResponse } from '../http/context.ts'
import { createUnreadResponses } from './limit-connection.ts'

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

/** From here on a body counts as large: a connection's own buffers take what is smaller. */
const LARGE_BYTES = 16 * 1024
const holdUnread = createUnreadResponses()

/** Head and body in one write, except for streams. Resolves when all is written or the client has left. */
export function sendResponse(outgoing: ServerResponse, response: Response): void | Promise<void> {
  if (!(response instanceof NodeResponse)) return sendStream(outgoing, response)
  const { body, status, headers } = response as NodeResponse
  if (body === null) {
    outgoing.writeHead(status, headers).end()
    return
  }
  const bytes = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
  headers['content-length'] = String(bytes)
  if (bytes >= LARGE_BYTES) holdUnread(outgoing, bytes)
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

/** Also when the client has left, as one that reads nothing in time has to. */
function drained(outgoing: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => outgoing.destroy(), LIMITS.edgeUnreadMsMax)
    const done = () => {
      clearTimeout(timer)
      outgoing.off('drain', done).off('close', done)
      resolve()
    }
    outgoing.once('drain', done).once('close', done)
  })
}
