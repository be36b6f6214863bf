import { LIMITS } from '../../contract/limits.ts'
import { partitionFor } from '../../contract/log/partitioner.ts'
import { type NewRecord, UnknownTopicError } from './log.ts'

/** Of keys and values together; it has to fit one message to Postgres or Kafka, and our memory twice. */
export const APPEND_BYTES_MAX = 32 * 1024 * 1024

/** Bytes of a record's key, value and headers. */
export function bytesOf({
  key,
  value,
  headers,
}: Pick<NewRecord, 'key' | 'value' | 'headers'>): number {
  let bytes = value.length + (key?.length ?? 0)
  // A character of a header's name is three bytes at most.
  for (const header of headers ?? []) bytes += 3 * header.key.length + header.value.length
  return bytes
}

/** Records of one append that go into one partition together. */
export interface AppendBatch {
  partition: number
  records: NewRecord[]
  /** Where each record stood in the append. */
  indexes: number[]
  bytes: number
}

export interface AppendBatchLimits {
  /** Of a batch; a larger record makes a batch of its own. */
  bytesMax: number
  sizeOf: (record: NewRecord) => number
}

/** @returns a function that splits an append into batches, in ascending order of partition */
export function createGroupByPartition({ bytesMax, sizeOf }: AppendBatchLimits) {
  let nextRoundRobin = 0

  /** @throws UnknownTopicError · RangeError when it is too much */
  return function groupByPartition(
    topic: string,
    records: readonly NewRecord[],
    partitions: number,
  ): AppendBatch[] {
    if (records.length > LIMITS.logAppendRecordsMax)
      throw new RangeError(`an append takes at most ${LIMITS.logAppendRecordsMax} records`)
    const batches: AppendBatch[] = []
    const lastOf = new Map<number, AppendBatch>()
    let total = 0
    records.forEach((record, index) => {
      const partition = partitionOf(topic, record, partitions)
      total += bytesOf(record)
      if (total > APPEND_BYTES_MAX)
        throw new RangeError(`an append takes at most ${APPEND_BYTES_MAX} bytes`)
      const bytes = sizeOf(record)
      let batch = lastOf.get(partition)
      if (!batch || batch.bytes + bytes > bytesMax) {
        batch = { partition, records: [], indexes: [], bytes: 0 }
        lastOf.set(partition, batch)
        batches.push(batch)
      }
      batch.records.push(record)
      batch.indexes.push(index)
      batch.bytes += bytes
    })
    // Stable: the batches of one partition keep their order. In ascending order of partition two appends cannot
    // wait for each other's locks (deadlock).
    return batches.sort((a, b) => a.partition - b.partition)
  }

  function partitionOf(topic: string, record: NewRecord, partitions: number): number {
    const {
      partition = record.key ? partitionFor(record.key, partitions) : roundRobin(partitions),
    } = record
    if (!(Number.isInteger(partition) && partition >= 0 && partition < partitions))
      throw new UnknownTopicError(topic, partition)
    return partition
  }

  function roundRobin(partitions: number): number {
    return nextRoundRobin++ % partitions
  }
}
