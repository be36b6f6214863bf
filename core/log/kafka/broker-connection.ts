import { withTimeout } from '../../lib/timeout.ts'
import { KafkaTimeoutError, KafkaUnreachableError } from './errors.ts'

/**
 * The seam between the log and a Kafka client library. This is all that a library must give: a connection to one
 * broker (TCP, TLS, SASL) that sends a request as a frame and returns the frame that answers it. Which request it is,
 * how it is encoded, when it is retried and which broker it goes to is decided on this side (protocol/, brokers.ts).
 *
 * connection.ts has the only implementation and is the only file that names a library. To exchange the library, write
 * another `ConnectClient` and pass it to `createConnect`; the engine suites in this folder hold it to the contract.
 */
export type ConnectClient = (address: BrokerAddress, msMax: number) => ClientConnection

export interface ClientConnection {
  /** Connects and authenticates. May fail late or never: the caller has a deadline and calls `destroy`. */
  open(): Promise<void>
  isConnected(): boolean
  /** Responses come in the order of the requests. Rejects when the connection breaks or is destroyed. */
  send<T>(request: KafkaRequest<T>): Promise<T>
  /** Closes the socket at once; every request that waits for its response rejects with `reason`. */
  destroy(reason: Error): void
}

export interface KafkaRequest<T> {
  /** Of the API, as Kafka's protocol guide has it; for error messages. */
  name: string
  apiKey: number
  apiVersion: number
  /** What follows the request header. */
  body: Buffer
  /** @param response what follows the response header */
  decode: (response: Buffer) => T
}

export interface BrokerAddress {
  host: string
  port: number
}

/** A connection with deadlines. */
export interface BrokerConnection {
  /** false once either side has closed it. */
  readonly isUsable: boolean
  /**
   * A request without a response in time closes the connection: who waits on a half-dead socket waits for ever
   * (tulios/kafkajs#1783), so nobody is given it again.
   */
  send<T>(request: KafkaRequest<T>, msMax: number): Promise<T>
  /** Every request under way rejects at once. */
  close(reason?: Error): void
}

/** @throws KafkaUnreachableError */
export type Connect = (address: BrokerAddress, msMax: number) => Promise<BrokerConnection>

export function createConnect(connectClient: ConnectClient): Connect {
  return async function connect(address, msMax) {
    const name = addressName(address)
    const client = connectClient(address, msMax)
    try {
      await withTimeout(msMax, name, client.open(), kafkaTimeout)
      return withDeadlines(client)
    } catch (error) {
      client.destroy(error as Error)
      throw new KafkaUnreachableError(name, reasonOf(error), { cause: error })
    }
  }
}

function withDeadlines(client: ClientConnection): BrokerConnection {
  let closed = false
  function close(reason: Error = new KafkaUnreachableError('this connection', 'closed')): void {
    if (closed) return
    closed = true
    client.destroy(reason)
  }
  return {
    get isUsable() {
      return !closed && client.isConnected()
    },
    async send(request, msMax) {
      try {
        return await withTimeout(msMax, request.name, client.send(request), kafkaTimeout)
      } catch (error) {
        if (error instanceof KafkaTimeoutError) close(error)
        throw error
      }
    },
    close,
  }
}

export function kafkaTimeout(what: string, ms: number): KafkaTimeoutError {
  return new KafkaTimeoutError(what, ms)
}

export function addressName({ host, port }: BrokerAddress): string {
  return `${host}:${port}`
}

/** @throws RangeError */
export function parseAddress(text: string): BrokerAddress {
  const [, host = '', port] = /^(?:\w+:\/\/)?\[?(.*?)\]?:(\d+)$/.exec(text.trim()) ?? []
  if (!host || !port) throw new RangeError(`invalid broker address "${text}", expected host:port`)
  return { host, port: Number(port) }
}

/** Node's error code where there is one (ECONNREFUSED), without what a library puts in front of the message. */
function reasonOf(error: unknown): string {
  const { message, code } = error as { message: string; code?: unknown }
  if (error instanceof KafkaTimeoutError) return message
  return typeof code === 'string' ? code : message.replace(/^Connection error: /, '')
}
