import type { KafkaRequest } from '../broker-connection.ts'
import { createReader, createWriter, type Reader } from './codec.ts'

const METADATA = 3
/** Kafka 2.0 */
const METADATA_VERSION = 6

export interface Metadata {
  brokers: BrokerNode[]
  clusterId: string
  controllerId: number
  topics: TopicMetadata[]
}

export interface BrokerNode {
  nodeId: number
  host: string
  port: number
}

export interface TopicMetadata {
  errorCode: number
  topic: string
  partitions: { partition: number; leader: number }[]
}

/** The brokers, and who leads the partitions of these topics; a topic that is not there is not created. */
export function metadataRequest(topics: readonly string[]): KafkaRequest<Metadata> {
  const body = createWriter()
  body.array(topics, body.string)
  body.int8(0) // no automatic creation
  return {
    name: 'Metadata',
    apiKey: METADATA,
    apiVersion: METADATA_VERSION,
    body: body.done(),
    decode(response) {
      const read = createReader(response)
      read.int32() // throttled
      const brokers = read.array(() => readBroker(read))
      const clusterId = read.string()
      const controllerId = read.int32()
      return { brokers, clusterId, controllerId, topics: read.array(() => readTopic(read)) }
    },
  }
}

function readBroker(read: Reader): BrokerNode {
  const broker = { nodeId: read.int32(), host: read.string(), port: read.int32() }
  read.string() // rack
  return broker
}

function readTopic(read: Reader): TopicMetadata {
  const errorCode = read.int16()
  const topic = read.string()
  read.int8() // internal
  const partitions = read.array(() => {
    read.int16() // error, which a leader of -1 says too
    const partition = { partition: read.int32(), leader: read.int32() }
    for (let list = 0; list < 3; list++) read.array(read.int32) // replicas: all, in sync, offline
    return partition
  })
  return { errorCode, topic, partitions }
}
