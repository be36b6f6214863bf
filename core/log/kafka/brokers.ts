import { withTimeout } from '../../lib/timeout.ts'
import { UnknownTopicError } from '../log.ts'
import {
  type BrokerAddress,
  type BrokerConnection,
  type Connect,
  kafkaTimeout,
} from './broker-connection.ts'
import { type ConnectionPool, createConnectionPool } from './connection-pool.ts'
import { KafkaError } from './errors.ts'
import { findCoordinatorRequest } from './protocol/find-coordinator.ts'
import { type Metadata, metadataRequest } from './protocol/metadata.ts'

/** Which broker leads which partition, and connections to the brokers. */
export interface Brokers
  extends Pick<ConnectionPool, 'connectAny' | 'connectionTo' | 'openConnection' | 'close'> {
  /**
   * The leader of each partition of a topic by node id, -1 where there is none right now.
   * @param refresh asks Kafka, whatever is remembered
   * @throws UnknownTopicError · KafkaUnreachableError · KafkaTimeoutError
   */
  leaders(topic: string, msMax: number, refresh?: boolean): Promise<readonly number[]>
  /** After a failure: the next caller who needs the leaders of this topic asks Kafka. */
  forget(topic: string): void
  /** A connection to the broker that keeps a group's offsets. */
  coordinator(group: string, msMax: number): Promise<BrokerConnection>
  /** The id of the cluster. @throws UnknownTopicError where it has no such topic */
  clusterId(topic: string, msMax: number): Promise<string>
  /** A connection to the broker that creates topics, and how many brokers there are right now. */
  controller(msMax: number): Promise<{ connection: BrokerConnection; count: number }>
}

const UNKNOWN_TOPIC = 3
const LEADER_NOT_AVAILABLE = 5

export function createBrokers(connect: Connect, seeds: readonly BrokerAddress[]): Brokers {
  const pool = createConnectionPool(connect, seeds)
  const { connectAny, connectionTo, openConnection, close } = pool
  const known = new Map<string, readonly number[]>()
  const requests = new Map<string, Promise<readonly number[]>>()

  async function metadata(topics: string[], msMax: number): Promise<Metadata> {
    const deadline = performance.now() + msMax
    const left = () => Math.max(1, deadline - performance.now())
    const request = async (ms: number) =>
      (await connectAny(left())).send(metadataRequest(topics), ms)
    // The broker of the kept connection may have fallen silent; then another one is asked.
    const response = await (pool.knownBrokers > 1
      ? request(left() / 2).catch(() => request(left()))
      : request(left()))
    pool.learn(response.brokers)
    return response
  }

  async function readLeaders(topic: string, msMax: number): Promise<readonly number[]> {
    const { topics } = await metadata([topic], msMax)
    const found = topics[0]
    if (!found || found.errorCode === UNKNOWN_TOPIC) {
      known.delete(topic)
      throw new UnknownTopicError(topic)
    }
    if (found.errorCode !== 0 && found.errorCode !== LEADER_NOT_AVAILABLE)
      throw new KafkaError(found.errorCode, `topic ${topic}`)
    const leaders: number[] = new Array(found.partitions.length).fill(-1)
    for (const { partition, leader } of found.partitions) leaders[partition] = leader
    known.set(topic, leaders)
    return leaders
  }

  return {
    connectAny,
    connectionTo,
    openConnection,
    close,
    async leaders(topic, msMax, refresh = false) {
      const remembered = refresh ? undefined : known.get(topic)
      if (remembered) return remembered
      const request =
        requests.get(topic) ?? readLeaders(topic, msMax).finally(() => requests.delete(topic))
      requests.set(topic, request)
      // The caller who began the request may have had more time than this one.
      return await withTimeout(msMax, `Metadata for ${topic}`, request, kafkaTimeout)
    },
    forget(topic) {
      known.delete(topic)
    },
    async coordinator(group, msMax) {
      const connection = await connectAny(msMax)
      const found = await connection.send(findCoordinatorRequest(group), msMax)
      if (found.errorCode !== 0) throw new KafkaError(found.errorCode, `group ${group}`)
      pool.learn([found])
      return connectionTo(found.nodeId, msMax)
    },
    async clusterId(topic, msMax) {
      const { clusterId, topics } = await metadata([topic], msMax)
      if (topics[0]?.errorCode === UNKNOWN_TOPIC) throw new UnknownTopicError(topic)
      return clusterId
    },
    async controller(msMax) {
      const { controllerId, brokers } = await metadata([], msMax)
      return { connection: await connectionTo(controllerId, msMax), count: brokers.length }
    },
  }
}
