import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { CloseCode, handleProtocols } from 'graphql-ws'
import { type WebSocket, WebSocketServer } from 'ws'
import { addressGroup } from '../../../contract/address-group.ts'
import { defaultTenantIdOf, isOperator, type Viewer } from '../../identity/viewer.ts'
import { ApiError } from '../../lib/api-error.ts'
import { LIVE_LIMITS } from '../../queries/limits.ts'
import type { GraphQLServer } from '../graphql/server.ts'
import type { AddressOf } from '../http/client.ts'
import { hasSameOrigin, isKnownHostName } from '../http/security.ts'
import type { Sockets } from '../http/serve.ts'
import type { LiveHub } from '../live/hub.ts'
import type { HeldShare } from '../live/shares.ts'
import { SOCKET_LIMITS } from './limits.ts'
import { type Connection, createProtocol } from './protocol.ts'

export interface GraphQLSocketsDeps {
  graphql: Pick<GraphQLServer, 'admit' | 'execute'>
  live: Pick<LiveHub, 'hold'>
  secure?: boolean | undefined
  publicUrl?: string | undefined
  addressOf?: AddressOf | undefined
  /** How often the sender of a connection is checked again. */
  recheckMs?: number
}

/** graphql-ws at /graphql: what SSE does, for clients that have WebSockets only. */
export function createGraphQLSockets(deps: GraphQLSocketsDeps): Sockets {
  const protocol = createProtocol(deps.graphql)
  const pending = createPending()
  const server = new WebSocketServer({
    noServer: true,
    handleProtocols,
    maxPayload: SOCKET_LIMITS.messageBytesMax,
    perMessageDeflate: false,
    autoPong: false,
  })
  return {
    upgrade(request, socket, head) {
      // Until the WebSocket has its own listener.
      socket.on('error', () => socket.destroy())
      const headers = headersOf(request)
      const address = addressOf(request, headers, deps)
      const status = statusOf(request, headers, deps.publicUrl)
      if (status !== undefined) return refuse(socket, status)
      if (server.clients.size >= SOCKET_LIMITS.socketsMax) return refuse(socket, 503)
      const isKnown = pending.enter(address)
      if (!isKnown) return refuse(socket, 503)
      socket.once('close', isKnown)
      server.handleUpgrade(request, socket, head, (webSocket) => {
        open(webSocket, connectionOf(webSocket, { headers, address, isKnown }, deps), protocol)
      })
    },
    close() {
      for (const client of server.clients) {
        client.close(1001, 'Sluice is stopping; connect again.')
        setTimeout(() => client.terminate(), 500).unref()
      }
      server.close()
    },
  }
}

/** Connections whose senders are not known yet: strangers hold so many, and no address all of them. */
function createPending() {
  const byAddress = new Map<string, number>()
  let all = 0
  return {
    /** @returns to be called when the sender is known or has left; undefined where there are too many */
    enter(address: string): (() => void) | undefined {
      const group = addressGroup(address)
      const count = byAddress.get(group) ?? 0
      if (all >= SOCKET_LIMITS.pendingMax || count >= SOCKET_LIMITS.pendingPerAddressMax)
        return undefined
      all++
      byAddress.set(group, count + 1)
      let hasLeft = false
      return () => {
        if (hasLeft) return
        hasLeft = true
        all--
        const left = (byAddress.get(group) ?? 1) - 1
        if (left > 0) byAddress.set(group, left)
        else byAddress.delete(group)
      }
    },
  }
}

/** Why a request gets no WebSocket; nothing that it carries counts before. */
function statusOf(
  { url = '', method }: IncomingMessage,
  headers: Headers,
  publicUrl: string | undefined,
): number | undefined {
  if (!isKnownHostName(headers.get('host') ?? '', publicUrl)) return 421
  if (url.split('?')[0] !== '/graphql' || method !== 'GET') return 404
  // A browser sends the cookie of a session with a WebSocket of any page, and asks nobody before.
  return hasSameOrigin(headers) ? undefined : 403
}

function refuse(socket: Duplex, status: number): void {
  // A client that never closes its own side would keep the connection.
  socket.once('finish', () => socket.destroy())
  const retry = status === 503 ? 'Retry-After: 1\r\n' : ''
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n${retry}Content-Length: 0\r\n\r\n`,
  )
}

interface Opened {
  headers: Headers
  address: string
  isKnown: () => void
}

function connectionOf(
  socket: WebSocket,
  { headers, address, isKnown }: Opened,
  { graphql, live, secure = false, recheckMs = LIVE_LIMITS.recheckMs }: GraphQLSocketsDeps,
): Connection {
  const connection: Connection = {
    identify: (parameters) =>
      graphql.admit(credentialsOf(headers, parameters), { address, secure }),
    begin(sender) {
      isKnown()
      const heldShare = holdShare(live, sender.viewer, sender.credential)
      connection.sender = { ...sender, heldShare }
      const check = setInterval(() => {
        sender.reload().catch((error: unknown) => {
          const { code } = error instanceof ApiError ? error : {}
          if (code === 'UNAUTHENTICATED') socket.close(CloseCode.Unauthorized, code)
          if (code === 'FORBIDDEN') socket.close(CloseCode.Forbidden, code)
          // Else credentials cannot be checked right now; the next check decides.
        })
      }, recheckMs)
      const leave = () => {
        clearInterval(check)
        heldShare.leave()
      }
      if (socket.readyState === socket.OPEN) socket.once('close', leave)
      else leave()
    },
    close: (code, reason) => socket.close(code, reason),
  }
  return connection
}

function holdShare(live: Pick<LiveHub, 'hold'>, viewer: Viewer, credential: string): HeldShare {
  if (viewer.kind === 'KEY') return live.hold(viewer.own.tenantId, { credential })
  // Whatever tenant the operator shows. What others show elsewhere counts there as well.
  return live.hold(defaultTenantIdOf(viewer), {
    credential,
    isOperator: isOperator(viewer),
    personId: viewer.kind === 'PERSON' ? viewer.personId : undefined,
  })
}

/** A key of connection_init takes the place of what the browser sent, as it does in requests. */
function credentialsOf(
  headers: Headers,
  parameters: Readonly<Record<string, unknown>> = {},
): Headers {
  const { authorization = parameters.Authorization } = parameters
  const own = new Headers()
  for (const name of ['authorization', 'x-api-key', 'cookie']) {
    const value = headers.get(name)
    if (value !== null) own.set(name, value)
  }
  if (typeof authorization !== 'string') return own
  // What no header can hold is no key either.
  const isValid = /^[\x20-\x7e]{1,512}$/.test(authorization)
  return new Headers({ authorization: isValid ? authorization : 'Bearer invalid' })
}

/** Connects a WebSocket to the protocol, and bounds what its client can make core keep for it. */
function open(
  socket: WebSocket,
  connection: Connection,
  protocol: ReturnType<typeof createProtocol>,
): void {
  let messages = 0
  let isAlive = true
  const isUnread = () => socket.bufferedAmount > SOCKET_LIMITS.unreadBytesMax
  const ping = setInterval(() => {
    if (!isAlive || isUnread()) return socket.terminate()
    isAlive = false
    socket.ping()
  }, SOCKET_LIMITS.pingMs)
  const closed = protocol.opened(
    {
      protocol: socket.protocol,
      // Resolves when the client has taken it: until then no further result is read.
      send: (data) =>
        new Promise((resolve) => {
          if (socket.readyState !== socket.OPEN) return resolve()
          socket.send(data, () => resolve())
        }),
      close: (code, reason) => socket.close(code, reason),
      onMessage(receive) {
        socket.on('message', async (data) => {
          if (messages >= SOCKET_LIMITS.messagesAtOnceMax || isUnread()) return socket.terminate()
          messages++
          try {
            await receive(String(data))
          } catch {
            socket.close(CloseCode.InternalServerError, 'INTERNAL_SERVER_ERROR')
          } finally {
            messages--
          }
        })
      },
    },
    connection,
  )
  socket.on('ping', (data) => {
    if (isUnread()) socket.terminate()
    else socket.pong(data)
  })
  socket.on('pong', () => {
    isAlive = true
  })
  // A message that is too large, or that breaks the protocol of WebSockets: ws closes the connection itself.
  socket.on('error', () => {})
  socket.once('close', (code, reason) => {
    clearInterval(ping)
    void closed(code, String(reason))
  })
}

function headersOf({ headers }: IncomingMessage): Headers {
  const own = new Headers()
  for (const [name, value] of Object.entries(headers))
    if (typeof value === 'string') own.set(name, value)
  return own
}

function addressOf(
  { socket }: IncomingMessage,
  headers: Headers,
  { addressOf = (peer) => peer }: GraphQLSocketsDeps,
): string {
  return addressOf(socket.remoteAddress ?? '', headers)
}
