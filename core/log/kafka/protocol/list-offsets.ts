import type { KafkaRequest } from '../broker-connection.ts'
import { createReader, createWriter } from './codec.ts'

const LIST_OFFSETS = 2
/** Kafka 2.0 */
const LIST_OFFSETS_VERSION = 3
const NO_REPLICA = -1
const READ_UNCOMMITTED = 0
const READ_COMMITTED = 1
const EARLIEST = -2
const LATEST = -1

/** 'lastStable' is where nothing more can be read, which is before 'logEnd' while a transaction is open. */
export type OffsetKind = 'logStart' | 'lastStable' | 'logEnd'

export interface ListedOffset {
  partition: number
  errorCode: number
  offset: number
}

/** @param at one of these offsets, or that of the first record not older than so many ms since the epoch */
export function listOffsetsRequest(
  topic: string,
  partitions: readonly number[],
  at: OffsetKind | number,
): KafkaRequest<ListedOffset[]> {
  const timestamp = typeof at === 'number' ? at : at === 'logStart' ? EARLIEST : LATEST
  const body = createWriter()
  body.int32(NO_REPLICA)
  body.int8(at === 'logEnd' ? READ_UNCOMMITTED : READ_COMMITTED)
  body.array([topic], (name) => {
    body.string(name)
    body.array(partitions, (partition) => {
      body.int32(partition)
      body.int64(timestamp)
    })
  })
  return {
    name: 'ListOffsets',
    apiKey: LIST_OFFSETS,
    apiVersion: LIST_OFFSETS_VERSION,
    body: body.done(),
    decode(response) {
      const read = createReader(response)
      read.int32() // throttled
      const topics = read.array(() => {
        read.string()
        return read.array(() => {
          const partition = read.int32()
          const errorCode = read.int16()
          read.int64() // timestamp
          return { partition, errorCode, offset: read.int64() }
        })
      })
      return topics.flat()
    },
  }
}
