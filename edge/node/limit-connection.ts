import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { LIMITS } from '../../contract/limits.ts'

/** What one client may hold of the server before anybody knows its key. */

const openRequests = new WeakMap<Socket, number>()

/**
 * Whether a request may be served; if not, its connection is destroyed. First of all that is done with a request: Node
 * keeps the address that is read here, and cannot read it when the client has reset the connection.
 */
export function beginRequest({ socket }: IncomingMessage): boolean {
  const open = openRequests.get(socket) ?? 0
  // What arrived in one piece is parsed to its end, even after the connection was destroyed.
  if (
    socket.destroyed ||
    socket.remoteAddress === undefined ||
    open >= LIMITS.edgePipelinedRequestsMax
  ) {
    socket.destroy()
    return false
  }
  openRequests.set(socket, open + 1)
  return true
}

/** Its response is sent, or the connection broke. The client must not send the rest of the body for ever. */
export function endRequest(incoming: IncomingMessage): void {
  const { socket } = incoming
  openRequests.set(socket, (openRequests.get(socket) ?? 1) - 1)
  if (incoming.complete || socket.destroyed) return
  const timer = setTimeout(() => socket.destroy(), LIMITS.bodyReadMsMax)
  let bytes = 0
  incoming.on('data', (chunk: Uint8Array) => {
    bytes += chunk.byteLength
    if (bytes > LIMITS.edgeDiscardedBytesMax) socket.destroy()
  })
  incoming.once('close', () => clearTimeout(timer))
}

/**
 * Called with each response whose body is large. Clients read them at once, so the oldest that are unread belong to
 * clients that do not: these are disconnected when all together are too large, and each after its time.
 */
export function createUnreadResponses(
  limits: { edgeUnreadBytesMax: number; edgeUnreadMsMax: number } = LIMITS,
) {
  const unread = new Map<ServerResponse, number>()
  let total = 0

  function remove(outgoing: ServerResponse): void {
    total -= unread.get(outgoing) ?? 0
    unread.delete(outgoing)
  }

  return (outgoing: ServerResponse, bytes: number): void => {
    unread.set(outgoing, bytes)
    total += bytes
    const { socket } = outgoing.req
    const timer = setTimeout(() => socket.destroy(), limits.edgeUnreadMsMax)
    outgoing.once('close', () => {
      clearTimeout(timer)
      remove(outgoing)
    })
    for (const oldest of unread.keys()) {
      if (total <= limits.edgeUnreadBytesMax || oldest === outgoing) break
      remove(oldest)
      oldest.req.socket.destroy()
    }
  }
}
