import { LIMITS } from '../../../contract/limits.ts'
import type { Log, LogRecord, PartitionBatch, PartitionOffsets } from '../../log/log.ts'
import { KafkaRestError } from '../kafka-rest-error.ts'
import { createHighWatermarks, type HighWatermarks, type TopicOffsets } from './high-watermarks.ts'

/** Where to read on. */
export interface ReadFrom {
  topic: string
  partition: number
  offset: number
}

/** What was found there; `next` is where to read on after it, with or without records. */
export interface PolledRecords {
  topic: string
  partition: number
  from: number
  next: number
  records: readonly LogRecord[]
}

/** The log for those who ask for a few records and go away again; the log itself remembers none of them. */
export interface LongPoll {
  highWatermarks: HighWatermarks
  /**
   * Resolves when there are records at one of the places, with nothing when there were none within `msMax`
   * or the signal aborted.
   * @throws OutOfRangeError · ReadTimeoutError · RefusedError 429 when too many wait already
   */
  poll(places: readonly ReadFrom[], msMax: number, signal: AbortSignal): Promise<PolledRecords[]>
}

/** The log does not hold this offset, and it is not the next one either. */
export class OutOfRangeError extends KafkaRestError {
  constructor(
    { topic, partition, offset }: ReadFrom,
    holds: Pick<PartitionOffsets, 'logStartOffset' | 'lastStableOffset'> | undefined,
  ) {
    super(
      409,
      `OFFSET_OUT_OF_RANGE: ${topic}/${partition} holds offsets ${holds?.logStartOffset} to ${holds?.lastStableOffset}, not ${offset}`,
    )
    this.name = 'OutOfRangeError'
  }
}

export class ReadTimeoutError extends Error {
  constructor() {
    super(`the log did not give what it holds within ${READ_MS_MAX} ms`)
    this.name = 'ReadTimeoutError'
  }
}

/** Once it is known that there is something. */
const READ_MS_MAX = 5_000

export function createLongPoll(log: Pick<Log, 'offsets' | 'batches'>): LongPoll {
  const tail = createHighWatermarks(log)
  const reading = createTurns(LIMITS.gatewayReadersMax)
  let waiting = 0

  async function some(
    places: readonly ReadFrom[],
    msMax: number,
    signal: AbortSignal,
  ): Promise<PolledRecords[]> {
    if (waiting >= LIMITS.gatewayWaitersMax)
      throw new KafkaRestError(429, `TOO_MANY_READERS: ${waiting} requests are reading already`)
    waiting++
    try {
      return await untilSome(places, performance.now() + msMax, signal)
    } finally {
      waiting--
    }
  }

  async function untilSome(
    places: readonly ReadFrom[],
    deadline: number,
    signal: AbortSignal,
  ): Promise<PolledRecords[]> {
    while (!signal.aborted) {
      const more = tail.untilChange()
      const grown = await grownOf(places)
      if (grown.length > 0) {
        const found = await reading(() => readAll(log, grown, signal))
        if (found.length > 0) return found
      }
      const left = deadline - performance.now()
      if (left <= 0) break
      await first(more, left, signal)
    }
    return []
  }

  async function grownOf(places: readonly ReadFrom[]): Promise<ReadFrom[]> {
    const topics = [...new Set(places.map(({ topic }) => topic))]
    const bounds = new Map<string, TopicOffsets>(
      await Promise.all(topics.map(async (topic) => [topic, await tail.read(topic)] as const)),
    )
    return places.filter((place) => {
      const holds = bounds.get(place.topic)?.get(place.partition)
      if (!holds || place.offset < holds.logStartOffset || place.offset > holds.lastStableOffset)
        throw new OutOfRangeError(place, holds)
      return place.offset < holds.lastStableOffset
    })
  }

  return { highWatermarks: tail, poll: some }
}

/** One batch of each topic, until the answer is full. */
async function readAll(
  log: Pick<Log, 'batches'>,
  places: readonly ReadFrom[],
  signal: AbortSignal,
): Promise<PolledRecords[]> {
  const found: PolledRecords[] = []
  const room = { records: LIMITS.gatewayReadRecordsMax, bytes: LIMITS.gatewayReadBytesMax }
  const late = AbortSignal.timeout(READ_MS_MAX)
  for (const [topic, theirs] of turned([...Map.groupBy(places, ({ topic }) => topic)])) {
    if (room.records <= 0 || room.bytes <= 0) break
    const from = new Map(theirs.map(({ partition, offset }) => [partition, offset]))
    const batches = log.batches(topic, {
      from,
      signal: AbortSignal.any([signal, late]),
      maxRecords: room.records,
      minIntervalMs: 0,
      readAhead: false,
    })
    for await (const { partitions } of batches) {
      found.push(...cut(topic, partitions, room))
      break
    }
    if (late.aborted && !signal.aborted && found.length === 0) throw new ReadTimeoutError()
  }
  return found
}

/** As much as there is room for, from all partitions alike; at least one record. */
function cut(
  topic: string,
  runs: readonly PartitionBatch[],
  room: { records: number; bytes: number },
): PolledRecords[] {
  const share = Math.max(1, Math.floor(room.records / runs.length))
  const found: PolledRecords[] = []
  for (const { partition, baseOffset: from, nextOffset: next, records } of turned(runs)) {
    let taken = 0
    while (taken < Math.min(share, records.length) && room.records > 0 && room.bytes > 0) {
      const { key, value } = records[taken] as LogRecord
      room.records--
      room.bytes -= value.length + (key?.length ?? 0)
      taken++
    }
    const whole = taken === records.length
    const end = whole ? next : (records[taken] as LogRecord).offset
    if (end > from)
      found.push({ topic, partition, from, next: end, records: records.slice(0, taken) })
  }
  return found.sort((a, b) => a.partition - b.partition)
}

/** Begun anywhere, so that nobody is always the last one. */
function turned<T>(items: readonly T[]): T[] {
  const at = Math.floor(Math.random() * items.length)
  return [...items.slice(at), ...items.slice(0, at)]
}

/** At most so many at once; the others wait in a row. */
function createTurns(max: number) {
  const row: (() => void)[] = []
  let free = max
  return async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (free > 0) free--
    else await new Promise<void>((resolve) => row.push(resolve))
    try {
      return await work()
    } finally {
      const next = row.shift()
      if (next) next()
      else free++
    }
  }
}

/** Whichever comes first. */
function first(event: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
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
