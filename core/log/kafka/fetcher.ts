import { pause } from '../../lib/pause.ts'
import { OffsetOutOfRangeError } from '../log.ts'
import { untilAborted } from './append.ts'
import type { FetchBuffer, Found } from './fetch-buffer.ts'
import { type Fetched, fetchRequest, listOffsetsRequest } from './protocol/requests.ts'
import { KafkaError, KafkaTimeoutError, type Wire } from './protocol/wire.ts'

export interface Fetcher {
  wire: Wire
  topic: string
  /** Those that the broker at the other end leads. */
  partitions: readonly number[]
  buffer: FetchBuffer
  size: FetchSize
  /** From one small fetch to the next. */
  paceMs: number
  /** How long a partition may stand still although the broker says that there is more. */
  stallMsMax: number
  onSuccess: () => void
}

/** How long the broker waits for the first byte. */
const WAIT_MS = 500
/** On top of that, until the connection counts as dead. */
const SILENCE_MS_MAX = 3_000
/** Where not even the smallest fetch came in time: a record is as large as it is. */
const SLOW_MS_MAX = 30_000
const FETCH_BYTES_MAX = 4 * 1024 * 1024
const FETCH_BYTES_MIN = 64 * 1024
const PARTITION_BYTES_MAX = 1024 * 1024
/** Of the records of one fetch as they were before somebody compressed them; one batch is always taken. */
const UNFOLDED_BYTES_MAX = 8 * 1024 * 1024
/** A fetch that brought less than this is not followed at once by the next, or every append would cost a fetch. */
const SMALL_FETCH_BYTES = 64 * 1024
const ASK_MS_MAX = 2_000
const OFFSET_OUT_OF_RANGE = 1

/** One fetch after the other into the buffer, until the signal aborts. @throws OffsetOutOfRangeError · CorruptLogError · KafkaError · what the connection met */
export async function fetchFrom(fetcher: Fetcher, signal: AbortSignal): Promise<void> {
  const { wire, topic, partitions, buffer, size, paceMs, onSuccess } = fetcher
  const stalls = createStalls(topic, fetcher.stallMsMax)
  // The first ones in a request may use up all of its bytes, so each is first in its turn. Readers that take one batch
  // and go away do not all begin with the same.
  let turn = Math.floor(Math.random() * partitions.length)
  while (!signal.aborted) {
    await buffer.room(signal)
    if (signal.aborted) return
    const began = performance.now()
    const first = turn++ % partitions.length
    const order = [...partitions.slice(first), ...partitions.slice(0, first)]
    const [foremost] = order as [number]
    const parts = order.map((partition) => ({ partition, offset: buffer.nextOf(partition) }))
    const request = fetchRequest(topic, parts, {
      maxWaitMs: WAIT_MS,
      bytesMax: size.bytes,
      partitionBytesMax: Math.min(PARTITION_BYTES_MAX, size.bytes),
    })
    const asked = wire.request(request, WAIT_MS + size.msMax(foremost))
    const fetched = await untilAborted(signal, asked).catch((error) => {
      if (error instanceof KafkaTimeoutError) size.late(foremost)
      throw error
    })
    size.came(fetched, performance.now() - began)
    const { found, brought, failure } = await readAll(fetcher, fetched, (each, read) => {
      // The others may have been left no room.
      if (each.partition === foremost) stalls.look(buffer.nextOf(each.partition), each, read)
    })
    // Together, or the first partition would go out alone.
    buffer.add(found)
    if (failure) throw failure.error
    onSuccess()
    const early = began + paceMs - performance.now()
    if (brought < SMALL_FETCH_BYTES && early > 0) await pause(early, signal)
  }
}

interface ReadAll {
  found: Found[]
  brought: number
  /** Of the first partition that cannot be read; what came for the others is none the worse for it. */
  failure: { error: unknown } | undefined
}

async function readAll(
  fetcher: Fetcher,
  fetched: readonly Fetched[],
  onRead: (fetched: Fetched, found: Found) => void,
): Promise<ReadAll> {
  const all: ReadAll = { found: [], brought: 0, failure: undefined }
  for (const each of fetched) {
    // Left for the next fetch, in which it comes sooner.
    if (all.brought >= UNFOLDED_BYTES_MAX && each.bytes > 0) continue
    try {
      const read = await readFetched(fetcher, each, UNFOLDED_BYTES_MAX - all.brought)
      onRead(each, read)
      all.found.push(read)
      all.brought += read.bytes
    } catch (error) {
      all.failure ??= { error }
    }
    // A megabyte of records takes a few milliseconds to decode; whoever writes the last batch has its turn between.
    if (each.bytes > 0) await nextTurn()
  }
  return all
}

/** What came for a partition. */
async function readFetched(fetcher: Fetcher, fetched: Fetched, bytesMax: number): Promise<Found> {
  const { topic, buffer, wire } = fetcher
  const { partition, errorCode } = fetched
  const from = buffer.nextOf(partition)
  if (errorCode === OFFSET_OUT_OF_RANGE) throw await whyOutOfRange(topic, partition, from, wire)
  if (errorCode !== 0) throw new KafkaError(errorCode, `${topic}/${partition}`)
  const { records, bytes, next, offsetGap: missing } = fetched.decode(from, bytesMax)
  if (missing)
    throw new OffsetOutOfRangeError(topic, partition, missing.expected, missing.available)
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
    const [found] = await wire.request(listOffsetsRequest(topic, [partition], which), ASK_MS_MAX)
    const { errorCode = -1, offset = 0 } = found ?? {}
    if (errorCode !== 0) throw new KafkaError(errorCode, `${topic}/${partition}`)
    return offset
  }
  const [first, next] = [await ask('first'), await ask('next')]
  if (wanted < first) return new OffsetOutOfRangeError(topic, partition, wanted, first)
  if (wanted > next) return new OffsetOutOfRangeError(topic, partition, wanted, next)
  return new KafkaError(OFFSET_OUT_OF_RANGE, `${topic}/${partition} at ${wanted}`)
}

/** How much a reader asks of one leader at once: as much as comes in time. */
export interface FetchSize {
  readonly bytes: number
  /** How long a fetch may take in which it is this partition's turn to be first. */
  msMax(partition: number): number
  late(partition: number): void
  came(fetched: readonly Pick<Fetched, 'partition' | 'bytes'>[], ms: number): void
}

/** Four MiB within three seconds are more than some networks carry, and what is too late is fetched again. */
export function createFetchSize(): FetchSize {
  let size = FETCH_BYTES_MAX
  // Of the partitions with a large record; what comes from the others says nothing about it.
  const patience = new Map<number, number>()
  const msMax = (partition: number) => patience.get(partition) ?? SILENCE_MS_MAX
  return {
    get bytes() {
      return size
    },
    msMax,
    late(partition) {
      if (size > FETCH_BYTES_MIN) size /= 2
      else patience.set(partition, Math.min(SLOW_MS_MAX, 2 * msMax(partition)))
    },
    came(fetched, ms) {
      for (const { partition, bytes } of fetched) if (bytes > 0) patience.delete(partition)
      const bytes = fetched.reduce((sum, each) => sum + each.bytes, 0)
      if (bytes >= size / 2 && ms < SILENCE_MS_MAX / 4) size = Math.min(FETCH_BYTES_MAX, size * 2)
    },
  }
}

/** Watches for what kafkajs' consumers were seen to do (#659, #1072): there is more, all looks well, and nothing comes. */
function createStalls(topic: string, msMax: number) {
  const since = new Map<number, number>()
  return {
    /** @throws when it has stood still for too long */
    look(from: number, { partition, readableTo }: Fetched, { next }: Found): void {
      const at = since.get(partition)
      if (next > from || readableTo <= from) since.delete(partition)
      else if (at === undefined) since.set(partition, performance.now())
      else if (performance.now() - at > msMax)
        throw new Error(`${topic}/${partition} stands still although there is more to read`)
    },
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
