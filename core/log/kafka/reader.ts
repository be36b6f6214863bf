import { backoffMs } from '../../lib/backoff.ts'
import { pause } from '../../lib/pause.ts'
import {
  CorruptLogError,
  type LogBatch,
  OffsetOutOfRangeError,
  type ReadOptions,
  UnknownTopicError,
} from '../log.ts'
import { createReadPace } from '../read-pace.ts'
import type { Brokers } from './brokers.ts'
import { KafkaError } from './errors.ts'
import { createFetchBuffer, type FetchBuffer } from './fetch-buffer.ts'
import { createFetchSize, type FetchSize } from './fetch-size.ts'
import { fetchFrom } from './fetcher.ts'
import { rejectOnAbort } from './reject-on-abort.ts'

export interface KafkaReaderDeps {
  /** The leaders, and connections of the reader's own. */
  brokers: Pick<Brokers, 'leaders' | 'openConnection'>
  /** Called for every failed read; it is retried. */
  onError: (error: unknown) => void
  /** Which topic it is; read again after a failure, so that another one under its name is not read on. */
  identity?: () => Promise<string>
  /** How long a partition may make no progress although the broker says that there is more. */
  stallMsMax?: number
}

const METADATA_MS_MAX = 5_000
const CONNECT_MS_MAX = 2_000
const RETRY = { baseMs: 50, maxMs: 2_000 }
/** Of one batch. A reader holds the caller's batch, one that waits, and one fetch. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024
const STALL_MS_MAX = 10_000
/** How often the leader of a partition without one is looked up again. */
const LEADERLESS_MS = 1_000
const LEADER_NOT_AVAILABLE = 5

type Leaders = readonly number[]

/**
 *   find leaders ▶ one fetch after the other from each leader ▶ buffer ▶ batches
 *         ▲           ▲         │ wait while the buffer is full
 *         │           └─ failed ┤ a new connection to that leader, after a back-off
 *         └── no longer the leader: all leaders again
 *
 * Fetching goes on while the caller works on the last batch; it pauses while the buffer is full. A leader that is gone
 * stops only the partitions that it led, until Kafka names another. A failed fetch ends its connection; reading resumes
 * where the buffer ends. Kafka is never asked for a default offset: where the wanted one was dropped, or is not written
 * yet, reading ends.
 */
export async function* readKafkaBatches(
  deps: KafkaReaderDeps,
  topic: string,
  options: ReadOptions,
): AsyncGenerator<LogBatch> {
  const { from, maxRecords, minIntervalMs, maxIntervalMs, readAhead = true } = options
  for (const [partition, offset] of from)
    if (!(Number.isSafeInteger(offset) && offset >= 0))
      throw new RangeError(`${topic}/${partition}: ${offset} is not a valid offset`)
  if (from.size === 0) return
  // When the caller stops iterating, fetching stops too.
  const stopped = new AbortController()
  const signal = AbortSignal.any([options.signal, stopped.signal])
  const limits = { recordsMax: maxRecords, bytesMax: BATCH_BYTES_MAX, readAhead }
  const buffer = createFetchBuffer(from, limits)
  const pace = createReadPace(minIntervalMs, maxIntervalMs)
  // Often enough that a batch never lacks records that came long before it.
  const paceMs = () => pace.intervalMs() / 4
  const plan = { partitions: [...from.keys()], buffer, paceMs, identity: options.identity }
  const fetching = fetchContinuously(deps, topic, plan, signal)
  fetching.catch((error) => buffer.fail(error))
  let next = Number.NEGATIVE_INFINITY
  try {
    while (!signal.aborted) {
      await buffer.untilNotEmpty(signal)
      const early = next - performance.now()
      if (early > 0) await buffer.untilFullBatch(early, signal)
      if (signal.aborted) return
      const batch = buffer.take()
      if (!batch) continue
      pace.onBatch(batch.recordCount)
      next = performance.now() + pace.intervalMs()
      yield batch
    }
  } finally {
    stopped.abort()
    await fetching.catch(() => {})
  }
}

interface FetchPlan {
  partitions: readonly number[]
  buffer: FetchBuffer
  paceMs: () => number
  /** What the topic has to be; what it is at the start unless given. */
  identity: string | undefined
}

/** Resolves when the signal aborts. @throws OffsetOutOfRangeError · CorruptLogError · UnknownTopicError · TopicRecreatedError */
async function fetchContinuously(
  deps: KafkaReaderDeps,
  topic: string,
  { partitions, buffer, paceMs, identity: wanted }: FetchPlan,
  signal: AbortSignal,
): Promise<void> {
  // One a leader: the network to one says nothing about the network to another.
  const sizes = new Map<number, FetchSize>()
  const identity = await retry(signal, async () => (await deps.identity?.()) ?? '')
  if (wanted !== undefined && identity !== undefined && identity !== wanted)
    throw new TopicRecreatedError(topic)
  let leaders = await findLeaders(signal)
  while (leaders) {
    const byLeader = Map.groupBy(
      partitions,
      (partition) => (leaders as Leaders)[partition] as number,
    )
    const roundEnd = new AbortController()
    const round = AbortSignal.any([signal, roundEnd.signal])
    leaders = await firstToEnd(
      [...byLeader].map(([leader, theirs]) => fetchFromLeader(leader, theirs, round)),
      roundEnd,
    )
  }

  /** Asks until a broker responds. */
  async function findLeaders(signal: AbortSignal): Promise<Leaders | undefined> {
    return retry(signal, async () => {
      const now = await rejectOnAbort(signal, deps.brokers.leaders(topic, METADATA_MS_MAX, true))
      for (const partition of partitions)
        if (!(Number.isInteger(partition) && partition >= 0 && partition < now.length))
          throw new UnknownTopicError(topic, partition)
      return now
    })
  }

  /** Resolves when another broker leads one of these partitions. */
  async function fetchFromLeader(
    leader: number,
    theirs: readonly number[],
    round: AbortSignal,
  ): Promise<Leaders | undefined> {
    let isRetry = false
    const size = sizes.get(leader) ?? createFetchSize()
    sizes.set(leader, size)
    return retry(round, async (onSuccess) => {
      const now = isRetry ? await findLeaders(round) : undefined
      if (isRetry && ((await deps.identity?.()) ?? '') !== identity)
        throw new TopicRecreatedError(topic)
      if (now && theirs.some((partition) => now[partition] !== leader)) return now
      isRetry = true
      if (leader < 0) {
        await pause(LEADERLESS_MS, round)
        throw new KafkaError(LEADER_NOT_AVAILABLE, `${topic}/${theirs.join(',')}`)
      }
      const opening = deps.brokers.openConnection(leader, CONNECT_MS_MAX)
      try {
        const connection = await rejectOnAbort(round, opening)
        const { stallMsMax = STALL_MS_MAX } = deps
        const fetcher = { connection, topic, partitions: theirs, buffer, size, paceMs, stallMsMax }
        await fetchFrom({ ...fetcher, onSuccess }, round)
      } finally {
        // A connection that opens when nobody waits for it any more is closed too.
        opening.then(
          (connection) => connection.close(),
          () => {},
        )
      }
    })
  }

  /** Retries until the work resolves with something or the signal aborts. */
  async function retry<T>(
    signal: AbortSignal,
    work: (onSuccess: () => void) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    let failures = 0
    while (!signal.aborted)
      try {
        const done = await work(() => {
          failures = 0
        })
        if (done !== undefined) return done
      } catch (error) {
        if (isFinal(error)) throw error
        if (signal.aborted) break
        deps.onError(error)
        await pause(backoffMs(failures++, RETRY), signal)
      }
  }
}

/** The topic is another one than the positions belong to: its offsets mean something else. */
export class TopicRecreatedError extends Error {
  constructor(topic: string) {
    super(`${topic} was recreated`)
    this.name = 'TopicRecreatedError'
  }
}

function isFinal(error: unknown): boolean {
  return (
    error instanceof OffsetOutOfRangeError ||
    error instanceof CorruptLogError ||
    error instanceof UnknownTopicError ||
    error instanceof TopicRecreatedError ||
    error instanceof RangeError
  )
}

/** The result of the first to end; it ends the others. */
async function firstToEnd<T>(work: readonly Promise<T>[], roundEnd: AbortController): Promise<T> {
  try {
    return await Promise.race(work)
  } finally {
    roundEnd.abort(new Error('the leaders have changed'))
    await Promise.allSettled(work)
  }
}
