import type { KafkaRequest } from '../broker-connection.ts'
import { createReader, createWriter } from './codec.ts'

export const METADATA = 3
/** Kafka 2.8, the first one in which a topic has an id. */
export const TOPIC_ID_VERSION = 10

export interface TopicId {
  clusterId: string
  errorCode: number
  /** 32 hexadecimal digits; undefined where the cluster has not given it one. */
  topicId: string | undefined
}

/** The id of a topic, by Metadata in its first version that has it; a topic that is not there is not created. */
export function topicIdRequest(topic: string): KafkaRequest<TopicId> {
  const body = createWriter()
  body.uvarint(0) // the tagged fields of the request's header
  body.uvarint(1 + 1)
  for (let i = 0; i < 4; i++) body.int32(0) // by name, not by id
  body.compactString(topic)
  body.uvarint(0)
  body.int8(0) // no automatic creation
  body.int8(0) // no authorized operations, of the cluster and of the topic
  body.int8(0)
  body.uvarint(0)
  return {
    name: 'Metadata',
    apiKey: METADATA,
    apiVersion: TOPIC_ID_VERSION,
    body: body.done(),
    decode(response) {
      const read = createReader(response)
      read.uvarint() // the tagged fields of the response's header: none
      read.int32() // throttled
      for (let brokers = read.uvarint() - 1; brokers > 0; brokers--) {
        read.int32() // node id
        read.compactString() // host
        read.int32() // port
        read.compactString() // rack
        read.uvarint() // tagged fields: none
      }
      const clusterId = read.compactString()
      read.int32() // controller
      read.uvarint() // topics: the one that was asked for
      const errorCode = read.int16()
      read.compactString() // name
      const topicId = read.uuid()
      return { clusterId, errorCode, topicId: /^0+$/.test(topicId) ? undefined : topicId }
    },
  }
}
