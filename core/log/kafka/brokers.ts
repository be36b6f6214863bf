import { UnknownTopicError } from '../log.ts'
import {
  type Address,
  type BrokerConnection,
  type Connect,
  KafkaError,
  KafkaTimeoutError,
  KafkaUnreachableError,
} from './protocol/wire.ts'

/** Who leads which partition, and connections to them. */
export interface Brokers {
  /**
   * The leader of each partition of a topic by node id, -1 where there is none right now.
   * @param fresh asks again instead of remembering
   * @throws UnknownTopicError · KafkaUnreachableError · KafkaTimeoutError
   */
  leaders(topic: string, msMax: number, fresh?: boolean): Promise<readonly number[]>
  /** For who met a failure: the next one to ask who leads this topic asks Kafka. */
  forget(topic: string): void
  /** A connection to this node, the last one as long as it is usable. What takes longer than `msMax` is the next one's. */
  connectionTo(id: number, msMax: number): Promise<BrokerConnection>
  /** A new connection to this node, the caller's own to close. */
  openConnection(id: number, msMax: number): Promise<BrokerConnection>
  /** A connection to whichever broker answers first. */
  connectAny(msMax: number): Promise<BrokerConnection>
  /** A connection to the broker that keeps a group's offsets. */
  coordinator(group: string, msMax: number): Promise<BrokerConnection>
  /** A connection to the broker that makes topics, and how many brokers there are right now. */
  controller(msMax: number): Promise<{ wire: BrokerConnection; count: number }>
  close(): void
}

interface Metadata {
  controllerId: number
  brokers: { nodeId: number; host: string; port: number }[]
  topicMetadata: {
    topicErrorCode: number
    topic: string
    partitionMetadata: { partitionId: number; leader: number }[]
  }[]
}

interface Coordinator {
  errorCode: number
  coordinator: { nodeId: number; host: string; port: number }
}

const GROUP = 0
const UNKNOWN_TOPIC = 3
const LEADER_NOT_AVAILABLE = 5
/** A connection that somebody could not wait for goes on being made: TLS and SASL take seven round trips. */
const CONNECT_MS_MAX = 2_000

export function createBrokers(connect: Connect, seeds: readonly Address[]): Brokers {
  const nodes = new Map<number, Address>()
  const known = new Map<string, readonly number[]>()
  const asking = new Map<string, Promise<readonly number[]>>()
  const wires = new Map<number | 'any', Promise<BrokerConnection>>()
  let closed = false

  /** One attempt at a time for each node; what failed is forgotten. */
  async function keep(
    id: number | 'any',
    open: () => Promise<BrokerConnection>,
  ): Promise<BrokerConnection> {
    const kept = wires.get(id)
    const wire = await kept?.catch(() => undefined)
    if (wire?.isUsable) return wire
    // Somebody else may have begun a new one while we looked.
    const now = wires.get(id)
    if (now !== undefined && now !== kept) return now
    if (closed) throw new KafkaUnreachableError(names(seeds), 'the log is closed')
    const opening = open()
    wires.set(id, opening)
    opening.catch(() => wires.get(id) === opening && wires.delete(id))
    return opening
  }

  function any(msMax: number): Promise<BrokerConnection> {
    return within(msMax, 'a connection', keepAny(msMax))
  }

  function keepAny(msMax: number): Promise<BrokerConnection> {
    return keep('any', async () => {
      const deadline = performance.now() + msMax
      const addresses = [
        ...new Map([...nodes.values(), ...seeds].map((a) => [name(a), a])).values(),
      ]
      const failures: string[] = []
      for (const [i, address] of addresses.entries()) {
        const left = deadline - performance.now()
        if (left <= 0) break
        try {
          // A broker that is silent must not use up the others' time.
          return await connect(address, left / Math.min(2, addresses.length - i))
        } catch (error) {
          failures.push((error as Error).message)
        }
      }
      throw new KafkaUnreachableError(
        names(addresses),
        [...new Set(failures)].join('; ') || 'no time left',
      )
    })
  }

  async function metadata(topics: string[], msMax: number): Promise<Metadata> {
    const deadline = performance.now() + msMax
    const left = () => Math.max(1, deadline - performance.now())
    const ask = async (ms: number) =>
      (await any(left())).request(
        {
          api: 'Metadata',
          fields: { topics, allowAutoTopicCreation: false },
          read: (each: Metadata) => each,
        },
        ms,
      )
    // The broker of the kept connection may have fallen silent; then another one is asked.
    const answer = await (nodes.size > 1 ? ask(left() / 2).catch(() => ask(left())) : ask(left()))
    for (const { nodeId, host, port } of answer.brokers) nodes.set(nodeId, { host, port })
    return answer
  }

  async function ask(topic: string, msMax: number): Promise<readonly number[]> {
    const { topicMetadata } = await metadata([topic], msMax)
    const found = topicMetadata[0]
    if (!found || found.topicErrorCode === UNKNOWN_TOPIC) {
      known.delete(topic)
      throw new UnknownTopicError(topic)
    }
    if (found.topicErrorCode !== 0 && found.topicErrorCode !== LEADER_NOT_AVAILABLE)
      throw new KafkaError(found.topicErrorCode, `topic ${topic}`)
    const leaders: number[] = new Array(found.partitionMetadata.length).fill(-1)
    for (const { partitionId, leader } of found.partitionMetadata) leaders[partitionId] = leader
    known.set(topic, leaders)
    return leaders
  }

  async function open(id: number, msMax: number): Promise<BrokerConnection> {
    const address = nodes.get(id)
    if (!address) throw new KafkaUnreachableError(names(seeds), `nobody knows broker ${id}`)
    return connect(address, msMax)
  }

  function node(id: number, msMax: number): Promise<BrokerConnection> {
    return within(
      msMax,
      'a connection',
      keep(id, () => open(id, Math.max(msMax, CONNECT_MS_MAX))),
    )
  }

  return {
    async leaders(topic, msMax, fresh = false) {
      const remembered = fresh ? undefined : known.get(topic)
      if (remembered) return remembered
      const asked = asking.get(topic) ?? ask(topic, msMax).finally(() => asking.delete(topic))
      asking.set(topic, asked)
      // The one that asked first may have had more time than we have.
      return await within(msMax, `who leads ${topic}`, asked)
    },
    forget(topic) {
      known.delete(topic)
    },
    connectionTo: node,
    openConnection: open,
    connectAny: any,
    async coordinator(group, msMax) {
      const wire = await any(msMax)
      const { errorCode, coordinator } = await wire.request(
        {
          api: 'GroupCoordinator',
          fields: { groupId: group, coordinatorType: GROUP },
          read: (answer: Coordinator) => answer,
        },
        msMax,
      )
      if (errorCode !== 0) throw new KafkaError(errorCode, `group ${group}`)
      nodes.set(coordinator.nodeId, coordinator)
      return node(coordinator.nodeId, msMax)
    },
    async controller(msMax) {
      const { controllerId, brokers } = await metadata([], msMax)
      return { wire: await node(controllerId, msMax), count: brokers.length }
    },
    close() {
      closed = true
      for (const wire of wires.values()) wire.then((each) => each.close()).catch(() => {})
    },
  }
}

export async function within<T>(msMax: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new KafkaTimeoutError(what, msMax)), Math.max(0, msMax))
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

function name({ host, port }: Address): string {
  return `${host}:${port}`
}

function names(addresses: readonly Address[]): string {
  return addresses.map(name).join(', ')
}
