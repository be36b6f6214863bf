import type { KafkaRequest } from '../broker-connection.ts'
import { createReader, createWriter } from './codec.ts'

const CREATE_TOPICS = 19
/** Kafka 2.0 */
const CREATE_TOPICS_VERSION = 3

export interface TopicSettings {
  name: string
  partitions: number
  replicationFactor: number
  config: Readonly<Record<string, string>>
}

/** @returns Kafka's error code for the topic, 0 when it was created */
export function createTopicRequest(
  { name, partitions, replicationFactor, config }: TopicSettings,
  timeoutMs: number,
): KafkaRequest<{ errorCode: number }> {
  const body = createWriter()
  body.array([name], (topic) => {
    body.string(topic)
    body.int32(partitions)
    body.int16(replicationFactor)
    body.int32(0) // no assignment of replicas: the controller chooses
    body.array(Object.entries(config), ([key, value]) => {
      body.string(key)
      body.string(value)
    })
  })
  body.int32(timeoutMs)
  body.int8(0) // not only validated
  return {
    name: 'CreateTopics',
    apiKey: CREATE_TOPICS,
    apiVersion: CREATE_TOPICS_VERSION,
    body: body.done(),
    decode(response) {
      const read = createReader(response)
      read.int32() // throttled
      const [errorCode = -1] = read.array(() => {
        read.string() // topic
        const code = read.int16()
        read.string() // message
        return code
      })
      return { errorCode }
    },
  }
}
