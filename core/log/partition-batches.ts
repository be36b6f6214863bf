import { LIMITS } from '../../contract/limits.ts'
import { partitionFor } from '../../contract/log/partitioner.ts'
import { type NewRecord, UnknownTopicError } from './log.ts'

/** Of keys and values together; it has to fit one message to Postgres or Kafka, and our memory twice. */
export const APPEND_BYTES_MAX = 32 * 1024 * 1024

/** What a record holds. */
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

/** A run of records of one partition; `places` says where they stood in the append. */
export interface AppendBatch {
  partition: number
  records: NewRecord[]
  indexes: number[]
  bytes: number
}

export interface AppendBatchLimits {
  /** Of a run; one larger record still makes a run of its own. */
  bytesMax: number
  sizeOf: (record: NewRecord) => number
}

/** Records as an append takes them, in runs in ascending order of partition. */
export function createGroupByPartition({ bytesMax, sizeOf }: AppendBatchLimits) {
  let nextRoundRobin = 0

  /** @throws UnknownTopicError · RangeError when it is too much */
  return function group(
    topic: string,
    records: readonly NewRecord[],
    partitions: number,
  ): AppendBatch[] {
    if (records.length > LIMITS.logAppendRecordsMax)
      throw new RangeError(`an append takes at most ${LIMITS.logAppendRecordsMax} records`)
    const runs: AppendBatch[] = []
    const open = new Map<number, AppendBatch>()
    let total = 0
    records.forEach((record, place) => {
      const partition = partitionOf(topic, record, partitions)
      total += bytesOf(record)
      if (total > APPEND_BYTES_MAX)
        throw new RangeError(`an append takes at most ${APPEND_BYTES_MAX} bytes`)
      const bytes = sizeOf(record)
      let run = open.get(partition)
      if (!run || run.bytes + bytes > bytesMax) {
        run = { partition, records: [], indexes: [], bytes: 0 }
        open.set(partition, run)
        runs.push(run)
      }
      run.records.push(record)
      run.indexes.push(place)
      run.bytes += bytes
    })
    // Stable: the runs of one partition stay in their order. Two appends never wait for each other in a ring.
    return runs.sort((a, b) => a.partition - b.partition)
  }

  function partitionOf(topic: string, record: NewRecord, partitions: number): number {
    // Records without a key go round.
    const {
      partition = record.key ? partitionFor(record.key, partitions) : nextRoundRobin++ % partitions,
    } = record
    if (!(Number.isInteger(partition) && partition >= 0 && partition < partitions))
      throw new UnknownTopicError(topic, partition)
    return partition
  }
}
