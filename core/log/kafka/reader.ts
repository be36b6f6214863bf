import { pause } from '../../lib/pause.ts'
import {
  CorruptLogError,
  type LogBatch,
  OffsetOutOfRangeError,
  type ReadOptions,
  UnknownTopicError,
} from '../log.ts'
import { untilAborted } from './append.ts'
import type { Brokers } from './brokers.ts'
import { createFetchBuffer, type FetchBuffer } from './fetch-buffer.ts'
import { createFetchSize, type FetchSize, fetchFrom } from './fetcher.ts'
import { KafkaError } from './protocol/wire.ts'

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
/** Of one batch. A reader holds one that is being worked on, one that waits, and one fetch. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024
const STALL_MS_MAX = 10_000
/** A partition without a leader is looked for again this often. */
const LEADERLESS_MS = 1_000
const LEADER_NOT_AVAILABLE = 5

type Leaders = readonly number[]

/**
 *   who leads what ▶ one fetch after the other from each leader ▶ buffer ▶ batches
 *         ▲           ▲         │ wait while the buffer is full
 *         │           └─ failed ┤ a new connection to that leader, after a little while
 *         └── no longer the leader: all of them anew
 *
 * Fetching goes on while the caller works on the last batch; a full buffer is not fetched into. A leader that is gone
 * stops only what it led, until Kafka names another. Whatever failed is over with its connection, and goes on where the
 * buffer ends. Kafka is never asked for a default offset: where ours is not there any more, or not yet, reading ends.
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

interface Reading {
  partitions: readonly number[]
  buffer: FetchBuffer
  paceMs: number
}

/** Resolves when the signal aborts. @throws OffsetOutOfRangeError · CorruptLogError · UnknownTopicError */
async function fetchForEver(
  deps: KafkaReaderDeps,
  topic: string,
  { partitions, buffer, paceMs }: Reading,
  signal: AbortSignal,
): Promise<void> {
  // Of each leader: the way to one says nothing about the way to another.
  const sizes = new Map<number, FetchSize>()
  let leaders = await whoLeads(signal)
  while (leaders) {
    const led = Map.groupBy(partitions, (partition) => (leaders as Leaders)[partition] as number)
    const over = new AbortController()
    const round = AbortSignal.any([signal, over.signal])
    leaders = await first(
      [...led].map(([leader, theirs]) => follow(leader, theirs, round)),
      over,
    )
  }

  /** Asks until somebody answers. */
  async function whoLeads(within: AbortSignal): Promise<Leaders | undefined> {
    return persist(within, async () => {
      const now = await untilAborted(within, deps.brokers.leaders(topic, METADATA_MS_MAX, true))
      for (const partition of partitions)
        if (!(Number.isInteger(partition) && partition >= 0 && partition < now.length))
          throw new UnknownTopicError(topic, partition)
      return now
    })
  }

  /** Resolves when another broker leads one of these partitions. */
  async function follow(
    leader: number,
    theirs: readonly number[],
    round: AbortSignal,
  ): Promise<Leaders | undefined> {
    let again = false
    const size = sizes.get(leader) ?? createFetchSize()
    sizes.set(leader, size)
    return persist(round, async (onSuccess) => {
      const now = again ? await whoLeads(round) : undefined
      if (now && theirs.some((partition) => now[partition] !== leader)) return now
      again = true
      if (leader < 0) {
        await pause(LEADERLESS_MS, round)
        throw new KafkaError(LEADER_NOT_AVAILABLE, `${topic}/${theirs.join(',')}`)
      }
      const opening = deps.brokers.open(leader, CONNECT_MS_MAX)
      try {
        const wire = await untilAborted(round, opening)
        const { stallMsMax = STALL_MS_MAX } = deps
        const fetcher = { wire, topic, partitions: theirs, buffer, size, paceMs, stallMsMax }
        await fetchFrom({ ...fetcher, onSuccess }, round)
      } finally {
        // One that comes when nobody waits for it any more, too.
        opening.then(
          (wire) => wire.close(),
          () => {},
        )
      }
    })
  }

  /** Tries again until it resolves with something or nobody waits any more. */
  async function persist<T>(
    within: AbortSignal,
    work: (onSuccess: () => void) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    let failures = 0
    while (!within.aborted)
      try {
        const done = await work(() => {
          failures = 0
        })
        if (done !== undefined) return done
      } catch (error) {
        if (isFinal(error)) throw error
        if (within.aborted) break
        deps.onTrouble(error)
        await pause(Math.min(RETRY_MS_MAX, 50 * 2 ** failures++), within)
      }
  }
}

function isFinal(error: unknown): boolean {
  return (
    error instanceof OffsetOutOfRangeError ||
    error instanceof CorruptLogError ||
    error instanceof UnknownTopicError ||
    error instanceof RangeError
  )
}

/** The first one that ends ends the others, and is what it was about. */
async function first<T>(work: readonly Promise<T>[], over: AbortController): Promise<T> {
  try {
    return await Promise.race(work)
  } finally {
    over.abort(new Error('the round is over'))
    await Promise.allSettled(work)
  }
}
