import type { KafkaRequest } from '../broker-connection.ts'
import { createReader, createWriter } from './codec.ts'

const PRODUCE = 0
/** Kafka 2.1 (KIP-110) */
const PRODUCE_VERSION = 7
const ACKS_ALL = -1

export interface ProducePart {
  partition: number
  /** As encodeRecordBatch returns it. */
  batch: Buffer
}

export interface Produced {
  partition: number
  errorCode: number
  baseOffset: number
  /** -1 where the records keep the producer's timestamp. */
  appendedMs: number
}

export function produceRequest(
  topic: string,
  parts: readonly ProducePart[],
  timeoutMs: number,
): KafkaRequest<Produced[]> {
  const head = createWriter(64 + Buffer.byteLength(topic))
  head.string(null) // transactional id
  head.int16(ACKS_ALL)
  head.int32(timeoutMs)
  head.int32(1)
  head.string(topic)
  head.int32(parts.length)
  const pieces: Uint8Array[] = [head.done()]
  for (const { partition, batch } of parts) {
    const part = createWriter(8)
    part.int32(partition)
    part.int32(batch.length)
    pieces.push(part.done(), batch)
  }
  return {
    name: 'Produce',
    apiKey: PRODUCE,
    apiVersion: PRODUCE_VERSION,
    body: Buffer.concat(pieces),
    decode(response) {
      const read = createReader(response)
      return read.array(() => {
        read.string()
        return read.array(() => {
          const partition = read.int32()
          const errorCode = read.int16()
          const baseOffset = read.int64()
          const appendedMs = read.int64()
          read.int64() // first offset of the log
          return { partition, errorCode, baseOffset, appendedMs }
        })
      })[0] as Produced[]
    },
  }
}
