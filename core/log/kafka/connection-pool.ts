import { withTimeout } from '../../lib/timeout.ts'
import {
  addressName,
  type BrokerAddress,
  type BrokerConnection,
  type Connect,
  kafkaTimeout,
} from './broker-connection.ts'
import { KafkaUnreachableError } from './errors.ts'
import type { BrokerNode } from './protocol/metadata.ts'

/** Connections to the brokers of a cluster, one kept for each. */
export interface ConnectionPool {
  /** Addresses by node id, as Kafka names them. */
  learn(brokers: readonly BrokerNode[]): void
  readonly knownBrokers: number
  /** To whichever broker answers first. */
  connectAny(msMax: number): Promise<BrokerConnection>
  /** To this node, the last one as long as it is usable. What takes longer than `msMax` is kept for the next caller. */
  connectionTo(id: number, msMax: number): Promise<BrokerConnection>
  /** A new one to this node, the caller's own to close. */
  openConnection(id: number, msMax: number): Promise<BrokerConnection>
  close(): void
}

/** TLS and SASL take seven round trips: an attempt that a caller could not wait for goes on for so long. */
const CONNECT_MS_MAX = 2_000

export function createConnectionPool(
  connect: Connect,
  seeds: readonly BrokerAddress[],
): ConnectionPool {
  const nodes = new Map<number, BrokerAddress>()
  const connections = new Map<number | 'any', Promise<BrokerConnection>>()
  let closed = false

  /** One attempt at a time for each node; a failed one is forgotten. */
  async function reuse(
    id: number | 'any',
    open: () => Promise<BrokerConnection>,
  ): Promise<BrokerConnection> {
    const kept = connections.get(id)
    const connection = await kept?.catch(() => undefined)
    if (connection?.isUsable) return connection
    // Another caller may have begun a new one while we looked.
    const now = connections.get(id)
    if (now !== undefined && now !== kept) return now
    if (closed) throw new KafkaUnreachableError(names(seeds), 'the log is closed')
    const opening = open()
    connections.set(id, opening)
    opening.catch(() => connections.get(id) === opening && connections.delete(id))
    return opening
  }

  async function openConnection(id: number, msMax: number): Promise<BrokerConnection> {
    const address = nodes.get(id)
    if (!address) throw new KafkaUnreachableError(names(seeds), `broker ${id} is unknown`)
    return connect(address, msMax)
  }

  return {
    learn(brokers) {
      for (const { nodeId, host, port } of brokers) nodes.set(nodeId, { host, port })
    },
    get knownBrokers() {
      return nodes.size
    },
    connectAny(msMax) {
      const opening = reuse('any', () =>
        connectFirst(connect, [...nodes.values(), ...seeds], msMax),
      )
      return withTimeout(msMax, 'the connection attempt', opening, kafkaTimeout)
    },
    connectionTo(id, msMax) {
      const opening = reuse(id, () => openConnection(id, Math.max(msMax, CONNECT_MS_MAX)))
      return withTimeout(msMax, 'the connection attempt', opening, kafkaTimeout)
    },
    openConnection,
    close() {
      closed = true
      for (const opening of connections.values())
        opening.then((connection) => connection.close()).catch(() => {})
    },
  }
}

async function connectFirst(
  connect: Connect,
  candidates: readonly BrokerAddress[],
  msMax: number,
): Promise<BrokerConnection> {
  const deadline = performance.now() + msMax
  const addresses = [...new Map(candidates.map((each) => [addressName(each), each])).values()]
  const failures: string[] = []
  for (const [i, address] of addresses.entries()) {
    const left = deadline - performance.now()
    if (left <= 0) break
    try {
      // A silent broker must not use up the time of the others.
      return await connect(address, left / Math.min(2, addresses.length - i))
    } catch (error) {
      failures.push((error as Error).message)
    }
  }
  throw new KafkaUnreachableError(
    names(addresses),
    [...new Set(failures)].join('; ') || 'no time left',
  )
}

function names(addresses: readonly BrokerAddress[]): string {
  return addresses.map(addressName).join(', ')
}
