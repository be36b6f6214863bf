import { UnknownTopicError } from '../log.ts'
import type { Brokers } from './brokers.ts'
import { KafkaError } from './errors.ts'
import { apiVersionsRequest } from './protocol/api-versions.ts'
import { METADATA, TOPIC_ID_VERSION, topicIdRequest } from './protocol/topic-id.ts'

const UNKNOWN_TOPIC = 3
const LEADER_NOT_AVAILABLE = 5

/**
 * The cluster's id with the topic's. Before Kafka 2.8 a topic has none; then its name stands for it, and a topic that
 * was recreated cannot be told from the former one.
 */
export async function readIdentity(
  brokers: Brokers,
  topic: string,
  msMax: number,
): Promise<string> {
  const deadline = performance.now() + msMax
  const left = () => Math.max(1, deadline - performance.now())
  const connection = await brokers.connectAny(left())
  const versions = await connection.send(apiVersionsRequest(), left())
  if ((versions.get(METADATA) ?? 0) < TOPIC_ID_VERSION)
    return `kafka ${await brokers.clusterId(topic, left())} topic ${topic}`
  const { clusterId, errorCode, topicId } = await connection.send(topicIdRequest(topic), left())
  if (errorCode === UNKNOWN_TOPIC) throw new UnknownTopicError(topic)
  if (errorCode !== 0 && errorCode !== LEADER_NOT_AVAILABLE)
    throw new KafkaError(errorCode, `topic ${topic}`)
  return topicId === undefined
    ? `kafka ${clusterId} topic ${topic}`
    : `kafka ${clusterId} ${topicId}`
}
