import { LIMITS } from '../../../contract/limits.ts'
import type { TopicPartitionOffset } from '../../../contract/log/kafka-rest.ts'
import { createSemaphore } from '../../lib/semaphore.ts'
import type { Log, LogRecord, PartitionBatch, PartitionOffsets } from '../../log/log.ts'
import { KafkaRestError } from '../kafka-rest-error.ts'
import { createHighWatermarks, type HighWatermarks, type TopicOffsets } from './high-watermarks.ts'

/** Records of one partition; `next` is where to read on after them, with or without records. */
export interface PolledRecords {
  topic: string
  partition: number
  from: number
  next: number
  records: readonly LogRecord[]
}

/** The log for clients that ask for a few records and go away again; the log itself remembers none of them. */
export interface LongPoll {
  highWatermarks: HighWatermarks
  /**
   * Resolves when there are records at one of the offsets, with nothing when there were none within `msMax`
   * or the signal aborted.
   * @throws OutOfRangeError · ReadTimeoutError · KafkaRestError TOO_MANY_READERS
   */
  poll(
    from: readonly TopicPartitionOffset[],
    msMax: number,
    signal: AbortSignal,
  ): Promise<PolledRecords[]>
}

/** The log does not hold this offset, and it is not the next one either. */
export class OutOfRangeError extends KafkaRestError {
  constructor(
    { topic, partition, offset }: TopicPartitionOffset,
    held: Pick<PartitionOffsets, 'logStartOffset' | 'lastStableOffset'> | undefined,
  ) {
    super(
      'OFFSET_OUT_OF_RANGE',
      `${topic}/${partition} holds offsets ${held?.logStartOffset} to ${held?.lastStableOffset}, not ${offset}`,
    )
    this.name = 'OutOfRangeError'
  }
}

export class ReadTimeoutError extends Error {
  constructor() {
    super(`the log did not deliver the records that it holds within ${READ_MS_MAX} ms`)
    this.name = 'ReadTimeoutError'
  }
}

/** Once it is known that there are records. */
const READ_MS_MAX = 5_000

export function createLongPoll(log: Pick<Log, 'offsets' | 'batches'>): LongPoll {
  const highWatermarks = createHighWatermarks(log)
  const reads = createSemaphore(LIMITS.gatewayReadersMax)
  let waiting = 0

  async function pollUntil(
    deadline: number,
    from: readonly TopicPartitionOffset[],
    signal: AbortSignal,
  ): Promise<PolledRecords[]> {
    while (!signal.aborted) {
      const change = highWatermarks.untilChange()
      const readable = await readableOf(from)
      if (readable.length > 0) {
        const found = await reads.run(() => readOnce(log, readable, signal))
        if (found.length > 0) return found
      }
      const left = deadline - performance.now()
      if (left <= 0) break
      await waitFor(change, left, signal)
    }
    return []
  }

  /** Those with records behind the offset. */
  async function readableOf(
    from: readonly TopicPartitionOffset[],
  ): Promise<TopicPartitionOffset[]> {
    const topics = [...new Set(from.map(({ topic }) => topic))]
    const offsets = new Map<string, TopicOffsets>(
      await Promise.all(
        topics.map(async (topic) => [topic, await highWatermarks.read(topic)] as const),
      ),
    )
    return from.filter((each) => {
      const held = offsets.get(each.topic)?.get(each.partition)
      if (!held || each.offset < held.logStartOffset || each.offset > held.lastStableOffset)
        throw new OutOfRangeError(each, held)
      return each.offset < held.lastStableOffset
    })
  }

  return {
    highWatermarks,
    async poll(from, msMax, signal) {
      if (waiting >= LIMITS.gatewayWaitersMax)
        throw new KafkaRestError('TOO_MANY_READERS', `${waiting} requests are reading already`)
      waiting++
      try {
        return await pollUntil(performance.now() + msMax, from, signal)
      } finally {
        waiting--
      }
    },
  }
}

/** How much more a response takes. */
interface Remaining {
  records: number
  bytes: number
}

/** One batch of each topic, until the response is full. */
async function readOnce(
  log: Pick<Log, 'batches'>,
  from: readonly TopicPartitionOffset[],
  signal: AbortSignal,
): Promise<PolledRecords[]> {
  const found: PolledRecords[] = []
  const remaining = { records: LIMITS.gatewayReadRecordsMax, bytes: LIMITS.gatewayReadBytesMax }
  const timeout = AbortSignal.timeout(READ_MS_MAX)
  for (const [topic, theirs] of rotate([...Map.groupBy(from, ({ topic }) => topic)])) {
    if (remaining.records <= 0 || remaining.bytes <= 0) break
    const batches = log.batches(topic, {
      from: new Map(theirs.map(({ partition, offset }) => [partition, offset])),
      signal: AbortSignal.any([signal, timeout]),
      maxRecords: remaining.records,
      minIntervalMs: 0,
      readAhead: false,
    })
    for await (const { partitions } of batches) {
      found.push(...takeFrom(topic, partitions, remaining))
      break
    }
    if (timeout.aborted && !signal.aborted && found.length === 0) throw new ReadTimeoutError()
  }
  return found
}

/** As much as the response takes, from all partitions alike; at least one record. */
function takeFrom(
  topic: string,
  batches: readonly PartitionBatch[],
  remaining: Remaining,
): PolledRecords[] {
  const share = Math.max(1, Math.floor(remaining.records / batches.length))
  const found: PolledRecords[] = []
  for (const { partition, baseOffset: from, nextOffset, records } of rotate(batches)) {
    let taken = 0
    while (
      taken < Math.min(share, records.length) &&
      remaining.records > 0 &&
      remaining.bytes > 0
    ) {
      const { key, value } = records[taken] as LogRecord
      remaining.records--
      remaining.bytes -= value.length + (key?.length ?? 0)
      taken++
    }
    const isWhole = taken === records.length
    const next = isWhole ? nextOffset : (records[taken] as LogRecord).offset
    if (next > from) found.push({ topic, partition, from, next, records: records.slice(0, taken) })
  }
  return found.sort((a, b) => a.partition - b.partition)
}

/** Begins at a random item, so that none is always the last one. */
function rotate<T>(items: readonly T[]): T[] {
  const at = Math.floor(Math.random() * items.length)
  return [...items.slice(at), ...items.slice(0, at)]
}

/** Resolves with the event, after `ms`, or when the signal aborts. */
function waitFor(event: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end, { once: true })
    void event.then(end)
    if (signal.aborted) end()
  })
}
