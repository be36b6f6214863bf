import { untilAborted } from './kafka-append.ts'
import type { Brokers } from './kafka-brokers.ts'
import { createFetchBuffer, type FetchBuffer, type Found } from './kafka-buffer.ts'
import { type Fetched, fetchRequest, listOffsetsRequest } from './kafka-requests.ts'
import { KafkaError, type Wire } from './kafka-wire.ts'
import {
  CorruptLogError,
  type LogBatch,
  LogGapError,
  type ReadOptions,
  UnknownTopicError,
} from './log.ts'

export interface KafkaReaderDeps {
  /** Who leads what, and connections of the reader's own. */
  brokers: Pick<Brokers, 'leaders' | 'open'>
  /** Told of every read that failed; it is tried again. */
  onTrouble: (error: unknown) => void
  /** How long a partition may stand still although the broker says that there is more. */
  stallMsMax?: number
}

const METADATA_MS_MAX = 5_000
const CONNECT_MS_MAX = 2_000
const RETRY_MS_MAX = 2_000
/** How long the broker waits for the first byte. */
const WAIT_MS = 500
/** On top of that, until the connection counts as dead. */
const SILENCE_MS_MAX = 3_000
const FETCH_BYTES_MAX = 4 * 1024 * 1024
const PARTITION_BYTES_MAX = 1024 * 1024
/** A fetch that brought less than this is not followed at once by the next, or every append would cost a fetch. */
const SMALL_FETCH_BYTES = 64 * 1024
/** Of one batch. A reader holds one that is being worked on, one that waits, and one fetch. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024
const STALL_MS_MAX = 10_000
/** A partition without a leader is looked for again this often. */
const LEADERLESS_MS = 1_000
const OFFSET_OUT_OF_RANGE = 1

/**
 *   who leads what ▶ one fetch after the other from each leader ▶ buffer ▶ batches
 *         ▲                     │ wait while the buffer is full
 *         └── any failure ◀─────┘ new connections, after a little while
 *
 * Fetching goes on while the caller works on the last batch; a full buffer is not fetched into. A round that failed is
 * over with all that belongs to it: the next one has new connections, asks anew who leads, and goes on where the buffer
 * ends. Kafka is never asked for a default offset: where ours is not there any more, or not yet, reading ends.
 */
export async function* readKafkaBatches(
  deps: KafkaReaderDeps,
  topic: string,
  options: ReadOptions,
): AsyncGenerator<LogBatch> {
  const { from, maxRecords, minIntervalMs, readAhead = true } = options
  for (const [partition, offset] of from)
    if (!(Number.isSafeInteger(offset) && offset >= 0))
      throw new RangeError(`${topic}/${partition}: ${offset} is no offset`)
  if (from.size === 0) return
  // When the caller breaks off, the fetching breaks off too.
  const left = new AbortController()
  const signal = AbortSignal.any([options.signal, left.signal])
  const limits = { recordsMax: maxRecords, bytesMax: BATCH_BYTES_MAX, readAhead }
  const buffer = createFetchBuffer(from, limits)
  // Often enough that a batch is never short of what came long before it.
  const paceMs = minIntervalMs / 4
  const fetching = fetchForEver(
    deps,
    topic,
    { partitions: [...from.keys()], buffer, paceMs },
    signal,
  )
  fetching.catch((error) => buffer.fail(error))
  let next = Number.NEGATIVE_INFINITY
  try {
    while (!signal.aborted) {
      await buffer.some(signal)
      const early = next - performance.now()
      if (early > 0) await buffer.wholeBatch(early, signal)
      if (signal.aborted) return
      const batch = buffer.take()
      if (!batch) continue
      next = performance.now() + minIntervalMs
      yield batch
    }
  } finally {
    left.abort()
    await fetching.catch(() => {})
  }
}

/** Resolves when the signal aborts. @throws LogGapError · CorruptLogError · UnknownTopicError */
async function fetchForEver(
  deps: KafkaReaderDeps,
  topic: string,
  { partitions, buffer, paceMs }: Pick<Fetcher, 'partitions' | 'buffer' | 'paceMs'>,
  signal: AbortSignal,
): Promise<void> {
  let failures = 0
  while (!signal.aborted) {
    const wires = new Set<Wire>()
    const over = new AbortController()
    const round = AbortSignal.any([signal, over.signal])
    try {
      const leaders = await untilAborted(round, deps.brokers.leaders(topic, METADATA_MS_MAX, true))
      for (const partition of partitions)
        if (!(Number.isInteger(partition) && partition >= 0 && partition < leaders.length))
          throw new UnknownTopicError(topic, partition)
      const led = Map.groupBy(partitions, (partition) => leaders[partition] as number)
      await all(
        [...led].map(([leader, theirs]) => {
          if (leader < 0) return leaderless(topic, theirs, round)
          const stalls = createStalls(topic, deps.stallMsMax ?? STALL_MS_MAX)
          const open = async () => {
            const wire = await deps.brokers.open(leader, CONNECT_MS_MAX)
            wires.add(wire)
            // Nobody waited for it any more.
            if (round.aborted) wire.close()
            return wire
          }
          const fetcher = { open, topic, partitions: theirs, buffer, stalls, paceMs }
          return fetchFrom(fetcher, round, () => {
            failures = 0
          })
        }),
        over,
      )
    } catch (error) {
      if (isFinal(error)) throw error
      if (signal.aborted) break
      deps.onTrouble(error)
      await pause(Math.min(RETRY_MS_MAX, 50 * 2 ** failures++), signal)
    } finally {
      over.abort(new Error('the round is over'))
      for (const wire of wires) wire.close()
    }
  }
}

interface Fetcher {
  open: () => Promise<Wire>
  topic: string
  partitions: readonly number[]
  buffer: FetchBuffer
  stalls: Stalls
  /** From one small fetch to the next. */
  paceMs: number
}

async function fetchFrom(
  fetcher: Fetcher,
  signal: AbortSignal,
  onSuccess: () => void,
): Promise<void> {
  const { open, topic, partitions, buffer, stalls, paceMs } = fetcher
  const wire = await untilAborted(signal, open())
  while (!signal.aborted) {
    await buffer.room(signal)
    if (signal.aborted) return
    const next = performance.now() + paceMs
    const parts = partitions.map((partition) => ({ partition, offset: buffer.nextOf(partition) }))
    const request = fetchRequest(topic, parts, {
      maxWaitMs: WAIT_MS,
      bytesMax: FETCH_BYTES_MAX,
      partitionBytesMax: PARTITION_BYTES_MAX,
    })
    const fetched = await untilAborted(signal, wire.request(request, WAIT_MS + SILENCE_MS_MAX))
    const found: Found[] = []
    for (const each of fetched) {
      found.push(await read(fetcher, wire, each))
      // A megabyte of records takes a few milliseconds to decode; whoever writes the last batch has its turn between.
      if (each.bytes > 0) await nextTurn()
    }
    // Together, or the first partition would go out alone.
    buffer.add(found)
    stalls.check()
    onSuccess()
    const early = next - performance.now()
    const brought = found.reduce((sum, { bytes }) => sum + bytes, 0)
    if (brought < SMALL_FETCH_BYTES && early > 0) await pause(early, signal)
  }
}

/** What came for a partition. */
async function read(fetcher: Fetcher, wire: Wire, fetched: Fetched): Promise<Found> {
  const { topic, buffer, stalls } = fetcher
  const { partition, errorCode, readableTo, bytes } = fetched
  const from = buffer.nextOf(partition)
  if (errorCode === OFFSET_OUT_OF_RANGE) throw await whyOutOfRange(topic, partition, from, wire)
  if (errorCode !== 0) throw new KafkaError(errorCode, `${topic}/${partition}`)
  const { records, next, missing } = fetched.decode(from)
  if (missing) throw new LogGapError(topic, partition, missing.wanted, missing.found)
  if (next > from || readableTo <= from) stalls.moved(partition)
  else stalls.stands(partition)
  return { partition, records, next, bytes }
}

/** Dropped before it was read, or beyond the end; anything else was a moment's matter, and is asked again. */
async function whyOutOfRange(
  topic: string,
  partition: number,
  wanted: number,
  wire: Wire,
): Promise<Error> {
  const ask = async (which: 'first' | 'next') => {
    const [found] = await wire.request(
      listOffsetsRequest(topic, [partition], which),
      CONNECT_MS_MAX,
    )
    const { errorCode = -1, offset = 0 } = found ?? {}
    if (errorCode !== 0) throw new KafkaError(errorCode, `${topic}/${partition}`)
    return offset
  }
  const [first, next] = [await ask('first'), await ask('next')]
  if (wanted < first) return new LogGapError(topic, partition, wanted, first)
  if (wanted > next) return new LogGapError(topic, partition, wanted, next)
  return new KafkaError(OFFSET_OUT_OF_RANGE, `${topic}/${partition} at ${wanted}`)
}

function isFinal(error: unknown): boolean {
  return (
    error instanceof LogGapError ||
    error instanceof CorruptLogError ||
    error instanceof UnknownTopicError ||
    error instanceof RangeError
  )
}

/** Ends the round after a while, so that the leaders are asked for again. */
async function leaderless(
  topic: string,
  partitions: readonly number[],
  signal: AbortSignal,
): Promise<never> {
  await pause(LEADERLESS_MS, signal)
  throw new KafkaError(5, `${topic}/${partitions.join(',')}`)
}

/** The first one that ends ends the others, and is what it was about. */
async function all(work: readonly Promise<void>[], over: AbortController): Promise<void> {
  try {
    await Promise.race(work)
  } finally {
    over.abort(new Error('the round is over'))
    await Promise.allSettled(work)
  }
}

interface Stalls {
  moved(partition: number): void
  stands(partition: number): void
  /** @throws when one has stood still for too long */
  check(): void
}

/** Watches for what kafkajs' consumers were seen to do (#659, #1072): there is more, all looks well, and nothing comes. */
function createStalls(topic: string, msMax: number): Stalls {
  const since = new Map<number, number>()
  return {
    moved: (partition) => since.delete(partition),
    stands(partition) {
      if (!since.has(partition)) since.set(partition, performance.now())
    },
    check() {
      for (const [partition, at] of since)
        if (performance.now() - at > msMax)
          throw new Error(`${topic}/${partition} stands still although there is more to read`)
    },
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end, { once: true })
    if (signal.aborted) end()
  })
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
