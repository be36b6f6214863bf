import { LIMITS } from '../../../../contract/limits.ts'
import { TOPICS } from '../../../../contract/log/topics.ts'
import { type Log, type LogRecord, OffsetOutOfRangeError } from '../../../log/log.ts'

export interface LogRange {
  partition: number
  from: number
  to: number
}

/**
 * Reads these offsets of the log, each record once.
 * @param onMissing called where the log does not hold the next offset, with the one where it goes on
 * @throws whatever the log fails with, and the reason of the signal
 */
export async function readRanges(
  log: Pick<Log, 'batches'>,
  ranges: readonly LogRange[],
  signal: AbortSignal,
  handle: (partition: number, records: readonly LogRecord[]) => Promise<void> | void,
  onMissing: (partition: number, from: number, to: number) => Promise<void> | void,
): Promise<void> {
  const next = new Map(
    ranges.filter(({ from, to }) => from < to).map((range) => [range.partition, range.from]),
  )
  const ends = new Map(ranges.map(({ partition, to }) => [partition, to]))
  while (next.size > 0) {
    try {
      await readOn(log, next, ends, signal, handle)
    } catch (error) {
      if (!(error instanceof OffsetOutOfRangeError)) throw error
      const { partition, expected, available } = error
      const end = ends.get(partition) as number
      // Beyond the end of the log there is nothing to go on at.
      const at = available > expected ? Math.min(available, end) : end
      await onMissing(partition, expected, at)
      if (at < end) next.set(partition, at)
      else next.delete(partition)
    }
    signal.throwIfAborted()
  }
}

/** Moves `next`; a partition that is done is deleted from it. */
async function readOn(
  log: Pick<Log, 'batches'>,
  next: Map<number, number>,
  ends: ReadonlyMap<number, number>,
  signal: AbortSignal,
  handle: (partition: number, records: readonly LogRecord[]) => Promise<void> | void,
): Promise<void> {
  const batches = log.batches(TOPICS.raw.name, {
    ...{ from: new Map(next), signal },
    ...{ maxRecords: LIMITS.logBatchRecordsMax, minIntervalMs: 0 },
  })
  for await (const batch of batches) {
    let isOneDone = false
    for (const { partition, records, nextOffset } of batch.partitions) {
      const end = ends.get(partition) as number
      if (!next.has(partition)) continue
      const last = records.at(-1)?.offset ?? -1
      await handle(partition, last < end ? records : records.filter(({ offset }) => offset < end))
      next.set(partition, nextOffset)
      if (nextOffset >= end) {
        next.delete(partition)
        isOneDone = true
      }
    }
    // The others are read on alone: of a partition that is done nothing more is wanted.
    if (isOneDone) return
  }
}
