/**
 * The log: an append-only list of records in each partition of a topic, as Kafka has it.
 *
 * What every driver promises (core/log/log.suite.ts holds each of them to it):
 * - `append` resolves when the records would survive a crash, never before; its positions come in
 *   the order of the records given. When it rejects, the records may or may not be there.
 * - Offsets in a partition rise by one without a gap, and none becomes visible before a smaller one.
 * - The position belongs to the reader. The log remembers nobody.
 * - A reader is never moved silently: a position outside what the log holds is a LogGapError.
 */
export interface Log {
  /** Appends all records or none of them. At most `LIMITS.logAppendRecordsMax` records. */
  append(topic: string, records: readonly NewRecord[], signal?: AbortSignal): Promise<Position[]>

  /**
   * Reads on from `from` for ever, until `signal` aborts (then the iteration ends, it does not throw).
   * The next read starts while the caller works on the last batch; back-pressure is not asking.
   */
  batches(topic: string, options: ReadOptions): AsyncIterable<LogBatch>

  /** For each partition of the topic, the first offset still held and the one the next record will get. */
  bounds(topic: string): Promise<PartitionBounds[]>

  close(): Promise<void>
}

export interface NewRecord {
  /** `undefined`: the driver deals the records out evenly. */
  partition?: number
  key: Buffer | null
  value: Buffer
}

export interface Position {
  partition: number
  offset: number
  /** Milliseconds since the epoch, when the log took the record. */
  timestamp: number
}

export interface LogRecord extends Position {
  key: Buffer | null
  value: Buffer
}

export interface ReadOptions {
  /** Next offset to read, by partition. Only these partitions are read. */
  from: ReadonlyMap<number, number>
  signal: AbortSignal
  /** Records in one batch, over all partitions. */
  maxRecords: number
  /** A batch that is not full waits until this long after the one before, so that commits stay worth their price. */
  minIntervalMs: number
}

export interface LogBatch {
  /** In ascending order of partition; none is empty. */
  partitions: readonly PartitionRun[]
  recordCount: number
}

export interface PartitionRun {
  partition: number
  /** Offset of the first record and the one after the last. */
  from: number
  next: number
  records: readonly LogRecord[]
}

export interface PartitionBounds {
  partition: number
  first: number
  next: number
}

/** The reader asks for what the log does not hold: dropped by retention, or not yet written at all. */
export class LogGapError extends Error {
  readonly topic: string
  readonly partition: number
  readonly wanted: number
  readonly found: number

  constructor(topic: string, partition: number, wanted: number, found: number) {
    super(
      found > wanted
        ? `${topic}/${partition}: ${found - wanted} records from offset ${wanted} were dropped before they were read`
        : `${topic}/${partition}: position ${wanted} is beyond the end of the log (${found}); was the topic created anew?`,
    )
    this.name = 'LogGapError'
    this.topic = topic
    this.partition = partition
    this.wanted = wanted
    this.found = found
  }
}
