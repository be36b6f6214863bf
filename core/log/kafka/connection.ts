import { createRequire } from 'node:module'
import type { ConnectionOptions } from 'node:tls'
import type { ClientConnection, ConnectClient, KafkaRequest } from './broker-connection.ts'

/**
 * kafkajs 2.2.4 behind the seam of broker-connection.ts: sockets, TLS, SASL and the framing of requests, and none of
 * the parts that are known to hang, to skip or to time out at random (docs/adr/0010-kafka-without-a-consumer.md).
 * These are internal modules without types; the version is pinned, and CI runs them against a current broker.
 */
export interface ConnectionSettings {
  username?: string
  password?: string
  mechanism?: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  /** true: trust what the system trusts; else what node:tls takes. */
  tls?: boolean | ConnectionOptions
  clientId?: string
}

export function createKafkajsClient(settings: ConnectionSettings): ConnectClient {
  const { username, password, mechanism = 'plain', tls, clientId = 'sluice' } = settings
  const sasl = username === undefined ? null : { mechanism, username, password: password ?? '' }
  const ssl = tls === true ? {} : tls || null
  const socketFactory = createSocketFactory()

  return ({ host, port }, msMax) =>
    adapt(
      new KafkajsConnection({
        host,
        port,
        ssl,
        sasl: sasl && { ...sasl },
        clientId,
        socketFactory,
        logger: silentLogger,
        connectionTimeout: msMax,
        requestTimeout: msMax,
        // The deadlines of broker-connection.ts are exact; these cost ten timers a second and connection.
        enforceRequestTimeout: false,
      }),
    )
}

function adapt(connection: Connection): ClientConnection {
  return {
    async open() {
      await connection.connect()
      const { apiVersions } = await connection.send<{ apiVersions: { apiKey: number }[] }>(
        requests.ApiVersions.protocol({ version: 2 })(),
      )
      const versions = Object.fromEntries(apiVersions.map((each) => [each.apiKey, each]))
      connection.setVersions(versions)
      connection.setSupportAuthenticationProtocol(SASL_AUTHENTICATE in versions)
      await connection.authenticate()
    },
    isConnected: () => connection.isConnected(),
    send: <T>({ name, apiKey, apiVersion, body, decode }: KafkaRequest<T>) =>
      connection.send<T>({
        request: {
          apiKey,
          apiVersion,
          apiName: name,
          encode: async () => ({ buf: body, buffer: body }),
        },
        response: { decode: async (response: Buffer) => decode(response), parse: unchanged },
      }),
    destroy(reason) {
      connection.requestQueue.rejectAll(reason)
      connection.requestQueue.destroy()
      connection.socket?.destroy()
    },
  }
}

const SASL_AUTHENTICATE = 36
const silentLogger = {
  namespace: () => silentLogger,
  debug() {},
  info() {},
  warn() {},
  error() {},
}
const unchanged = async (decoded: unknown) => decoded

interface Connection {
  connect(): Promise<unknown>
  authenticate(): Promise<void>
  isConnected(): boolean
  setVersions(versions: object): void
  setSupportAuthenticationProtocol(supported: boolean): void
  send<T>(exchange: { request: object; response: object }): Promise<T>
  requestQueue: { rejectAll(error: Error): void; destroy(): void }
  socket?: { destroy(): void }
}
interface QueueState {
  pending: unknown[]
  throttledUntil: number
}

const require = createRequire(import.meta.url)
const KafkajsConnection: new (
  options: object,
) => Connection = require('kafkajs/src/network/connection')
const createSocketFactory = require('kafkajs/src/network/socketFactory') as () => unknown
const { requests } = require('kafkajs/src/protocol/requests') as {
  requests: {
    ApiVersions: {
      protocol(options: { version: number }): () => { request: object; response: object }
    }
  }
}
const RequestQueue = require('kafkajs/src/network/requestQueue') as {
  prototype: QueueState & { scheduleCheckPendingRequests(): void }
}

/** Unpatched, each connection wakes up a thousand times a second to see that nothing waits: 4 % of a core. */
const schedule = RequestQueue.prototype.scheduleCheckPendingRequests
RequestQueue.prototype.scheduleCheckPendingRequests = function (this: QueueState) {
  if (this.pending.length > 0 || this.throttledUntil > Date.now()) schedule.call(this as never)
}
