import { connect } from 'node:net'
import type pg from 'pg'

/** What pg keeps of a connection, beyond what it declares. */
interface BackendKey {
  host: string
  port: number
  processID: number | null
  secretKey: number | null
}

/** As one number, in place of a protocol version. */
const CANCEL_REQUEST_CODE = 80_877_102
const CANCEL_MS_MAX = 5_000

/**
 * Asks Postgres to cancel the statement that this connection executes: a CancelRequest on a connection of its own, in
 * plain text also where the other one uses TLS, as libpq's PQcancel does. Postgres does not respond; where the request
 * is lost, `statement_timeout` ends the statement.
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
export function cancelStatement(client: pg.ClientBase): void {
  const { host, port, processID, secretKey } = client as unknown as BackendKey
  if (processID === null || secretKey === null) return
  const request = Buffer.alloc(16)
  request.writeInt32BE(request.length, 0)
  request.writeInt32BE(CANCEL_REQUEST_CODE, 4)
  request.writeInt32BE(processID, 8)
  request.writeInt32BE(secretKey, 12)
  const socket = host.startsWith('/')
    ? connect(`${host}/.s.PGSQL.${port}`)
    : connect({ host, port })
  socket.on('error', () => {})
  socket.setTimeout(CANCEL_MS_MAX, () => socket.destroy())
  // It is closed by Postgres, once it has been read.
  socket.end(request)
  socket.resume()
}
