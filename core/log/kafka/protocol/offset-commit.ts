import type { KafkaRequest } from '../broker-connection.ts'
import { createReader, createWriter } from './codec.ts'

const OFFSET_COMMIT = 8
/** Kafka 2.1 */
const OFFSET_COMMIT_VERSION = 5
/** A member of no generation, for groups that have no members. */
const NO_GENERATION = -1

export interface CommittedPartition {
  topic: string
  partition: number
  errorCode: number
}

/** @param offsets by topic and partition: the next offset to read */
export function offsetCommitRequest(
  group: string,
  offsets: ReadonlyMap<string, ReadonlyMap<number, number>>,
): KafkaRequest<CommittedPartition[]> {
  const body = createWriter()
  body.string(group)
  body.int32(NO_GENERATION)
  body.string('') // member id
  body.array([...offsets], ([topic, partitions]) => {
    body.string(topic)
    body.array([...partitions], ([partition, offset]) => {
      body.int32(partition)
      body.int64(offset)
      body.string(null) // metadata
    })
  })
  return {
    name: 'OffsetCommit',
    apiKey: OFFSET_COMMIT,
    apiVersion: OFFSET_COMMIT_VERSION,
    body: body.done(),
    decode(response) {
      const read = createReader(response)
      read.int32() // throttled
      const topics = read.array(() => {
        const topic = read.string()
        return read.array(() => ({ topic, partition: read.int32(), errorCode: read.int16() }))
      })
      return topics.flat()
    },
  }
}
