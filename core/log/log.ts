/**
 * The log: an append-only list of records in each partition of a topic, as Kafka has it.
 *
 * What every driver promises (core/log/log.suite.ts holds each of them to it):
 * - `append` resolves when the records would survive a crash, never before; the positions come in
 *   the order of the records. When it rejects, the records may or may not be there.
 * - Offsets in a partition rise by one without a gap, and none becomes visible before a smaller one.
 * - The position belongs to the reader. The log remembers nobody.
 * - A reader is never moved silently: a position outside what the log holds is an
 *   OffsetOutOfRangeError.
 * - Every call has a deadline, except `batches`, which waits for the log for as long as it takes.
 */
export interface Log {
  /**
   * Appends records, at most `LIMITS.logAppendRecordsMax` and 32 MiB. The Postgres log appends all of them or none;
   * Kafka's, when it rejects, may have taken those of some partitions.
   * Two concurrent appends may come into a partition in either order.
   * @throws UnknownTopicError · RangeError when it is too much · whatever the driver fails with, within `LIMITS.logAppendMsMax`
   */
  append(
    topic: string,
    records: readonly NewRecord[],
    signal?: AbortSignal,
  ): Promise<RecordPosition[]>

  /**
   * Reads from `from` on, until `signal` aborts or the log is closed (then the iteration ends, it
   * does not throw). While there is more to read, the next read starts while the caller works on the last
   * batch; a caller who does not ask for the next batch applies back-pressure. `from` may be any offset that the log holds.
   * @throws OffsetOutOfRangeError · UnknownTopicError · CorruptLogError
   */
  batches(topic: string, options: ReadOptions): AsyncIterable<LogBatch>

  /**
   * Which log this is: offsets mean something only together with it. It stays the same for as long as the topic lives,
   * for every process and over restarts; another engine, another cluster and a topic that was recreated have another one.
   * Asks the log each time.
   * @throws UnknownTopicError
   */
  identity(topic: string): Promise<string>

  /** For each partition of the topic, the first offset still held, and the offset up to which it can be read. */
  offsets(topic: string): Promise<PartitionOffsets[]>

  /** For each partition, the first offset appended at `ms` (since the epoch) or later; the last stable one where there is none. */
  offsetsAt(topic: string, ms: number): Promise<ReadonlyMap<number, number>>

  /**
   * Publishes how far the reader has applied the log, for other tools that show lag. It is a hint, given late or
   * never; nothing here ever reads it.
   */
  applied?(topic: string, next: ReadonlyMap<number, number>): void

  close(): Promise<void>
}

export interface NewRecord {
  /** `undefined`: by the key, or round-robin where there is none. */
  partition?: number
  key: Buffer | null
  value: Buffer
  /** Our own records have none; those of other producers are kept for the reader. */
  headers?: readonly RecordHeader[]
}

export interface RecordHeader {
  key: string
  value: Buffer
}

export interface RecordPosition {
  partition: number
  offset: number
  /** Milliseconds since the epoch, when the record was appended. */
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
  /** Of the log that `from` belongs to. A driver whose topics can be recreated reads nothing of another one. */
  identity?: string
  /** Records in one batch, over all partitions. A driver may stop earlier, where stored records end together. */
  maxRecords: number
  /**
   * While there is no more to read, the next batch waits until this long after the last one, so that
   * few commits carry many records. An idle log's first record is delivered at once.
   */
  minIntervalMs: number
  /** In dense traffic the interval grows up to this; it does not unless given. */
  maxIntervalMs?: number
  /** false: the caller takes one batch and stops, so the driver does not read the next one. */
  readAhead?: boolean
}

export interface LogBatch {
  /** In ascending order; each continues its last one. Offsets are missing only where Kafka has control records. */
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
  /** Set while a transaction is open: the offset that the next record will get. Records before it wait to be readable. */
  logEndOffset?: number
}

/** The log does not hold the expected offset: it was dropped by retention, or is not written yet. */
export class OffsetOutOfRangeError extends Error {
  readonly topic: string
  readonly partition: number
  readonly expected: number
  readonly available: number

  constructor(topic: string, partition: number, expected: number, available: number) {
    super(
      available > expected
        ? `${topic}/${partition}: ${available - expected} records from offset ${expected} were dropped before they were read`
        : `${topic}/${partition}: offset ${expected} is beyond the end of the log (${available}); it lost its end or was recreated`,
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
        ? `topic ${topic} does not exist`
        : `topic ${topic} has no partition ${partition}`,
    )
    this.name = 'UnknownTopicError'
  }
}

/** What is stored is not what was appended. Reading on would lose events, so reading ends. */
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
