/**
 * The log: an append-only list of records in each partition of a topic, as Kafka has it.
 *
 * What every driver promises (core/log/log.suite.ts holds each of them to it):
 * - `append` resolves when the records would survive a crash, never before; its positions come in
 *   the order of the records given. When it rejects, the records may or may not be there.
 * - Offsets in a partition rise by one without a gap, and none becomes visible before a smaller one.
 * - The position belongs to the reader. The log remembers nobody.
 * - A reader is never moved silently: a position outside what the log holds is a OffsetOutOfRangeError.
 * - Every call has a deadline, except `batches`, which waits for the log for as long as it takes.
 */
export interface Log {
  /**
   * Appends records, at most `LIMITS.logAppendRecordsMax` and 32 MiB. The Postgres log appends all of them or none;
   * Kafka's, when it rejects, may have taken those of some partitions.
   * Two appends that run at the same time may come into a partition in either order.
   * @throws UnknownTopicError · RangeError when it is too much · whatever the driver met, within `LIMITS.logAppendMsMax`
   */
  append(
    topic: string,
    records: readonly NewRecord[],
    signal?: AbortSignal,
  ): Promise<RecordPosition[]>

  /**
   * Reads on from `from` for ever, until `signal` aborts or the log is closed (then the iteration ends, it
   * does not throw). While there is more to read, the next read starts while the caller works on the last
   * batch; back-pressure is not asking. `from` may be any offset that the log holds.
   * @throws OffsetOutOfRangeError · UnknownTopicError · CorruptLogError
   */
  batches(topic: string, options: ReadOptions): AsyncIterable<LogBatch>

  /** For each partition of the topic, the first offset still held and up to where it can be read. */
  offsets(topic: string): Promise<PartitionOffsets[]>

  /** For each partition, the first offset that the log took at `ms` or later; the next one where there is none. */
  offsetsAt(topic: string, ms: number): Promise<ReadonlyMap<number, number>>

  /**
   * Where other tools look into the log: how far the reader has come, with what it has read stored elsewhere. It is a
   * hint, given late or never; nothing here ever reads it.
   */
  applied?(topic: string, next: ReadonlyMap<number, number>): void

  close(): Promise<void>
}

export interface NewRecord {
  /** `undefined`: the driver deals the records out evenly. */
  partition?: number
  key: Buffer | null
  value: Buffer
  /** Ours have none; what others put beside a record is kept for whoever reads it. */
  headers?: readonly RecordHeader[]
}

export interface RecordHeader {
  key: string
  value: Buffer
}

export interface RecordPosition {
  partition: number
  offset: number
  /** Milliseconds since the epoch, when the log took the record. */
  timestamp: number
}

export interface LogRecord extends RecordPosition {
  key: Buffer | null
  value: Buffer
  headers?: readonly RecordHeader[]
}

export interface ReadOptions {
  /** Next offset to read, by partition. Only these partitions are read. */
  from: ReadonlyMap<number, number>
  signal: AbortSignal
  /** Records in one batch, over all partitions. A driver may stop earlier, at the end of a run of records. */
  maxRecords: number
  /**
   * While there is no more to read, the next batch waits until this long after the last one, so that
   * commits stay worth their price. An idle log's first record is delivered at once.
   */
  minIntervalMs: number
  /** false: whoever asks takes one batch and goes away, so a driver had better not read the next one. */
  readAhead?: boolean
}

export interface LogBatch {
  /** In ascending order of partition; each leads on. Records are missing only where Kafka has marks of its own. */
  partitions: readonly PartitionBatch[]
  recordCount: number
}

export interface PartitionBatch {
  partition: number
  /** Offset of the first record and the one after the last. */
  baseOffset: number
  nextOffset: number
  records: readonly LogRecord[]
}

export interface PartitionOffsets {
  partition: number
  logStartOffset: number
  /** The offset that the next record will get; where a transaction is open in Kafka, where that began. */
  lastStableOffset: number
  /** Where a transaction is open: the offset that the next record will get. What is before it waits to be read. */
  logEndOffset?: number
}

/** The reader asks for what the log does not hold: dropped by retention, or not yet written at all. */
export class OffsetOutOfRangeError extends Error {
  readonly topic: string
  readonly partition: number
  readonly expected: number
  readonly available: number

  constructor(topic: string, partition: number, expected: number, available: number) {
    super(
      available > expected
        ? `${topic}/${partition}: ${available - expected} records from offset ${expected} were dropped before they were read`
        : `${topic}/${partition}: offset ${expected} is beyond the end of the log (${available}); was the topic recreated?`,
    )
    this.name = 'OffsetOutOfRangeError'
    this.topic = topic
    this.partition = partition
    this.expected = expected
    this.available = available
  }
}

/** No such topic, or the topic has no such partition. */
export class UnknownTopicError extends Error {
  constructor(topic: string, partition?: number) {
    super(
      partition === undefined
        ? `there is no topic ${topic}`
        : `topic ${topic} has no partition ${partition}`,
    )
    this.name = 'UnknownTopicError'
  }
}

/** What is stored is not what was appended. Reading on would lose events, so nobody reads on. */
export class CorruptLogError extends Error {
  readonly partition: number
  readonly offset: number

  constructor(topic: string, partition: number, offset: number, what: string) {
    super(`${topic}/${partition} at offset ${offset}: the log is corrupt (${what})`)
    this.name = 'CorruptLogError'
    this.partition = partition
    this.offset = offset
  }
}
