import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { EVERYTHING } from '../../db/changed-buckets.ts'
import type { DatabaseRoles } from '../../db/roles.ts'
import { backoffMs } from '../../lib/backoff.ts'
import type { Logger } from '../../lib/logger.ts'
import { aborted, pause } from '../../lib/pause.ts'
import { CorruptLogError, OffsetOutOfRangeError } from '../../log/log.ts'
import { createPoisonRecords, type PoisonRecords } from '../write/poison-records.ts'
import { FencedError } from '../write/positions.ts'
import { type BatchSize, createBatchSize } from './batch-size.ts'
import { createUncertainChanges, type UncertainChanges } from './change-notifier.ts'
import { connect, disconnect } from './connection.ts'
import { type ConsumeDeps, consumeBatches } from './consume-batches.ts'
import { classifyFailure } from './failure.ts'
import { checkLogIdentity, LogIdentityError } from './log-identity.ts'
import {
  createPausedPartitions,
  type PausedPartitions,
  type PauseReason,
} from './paused-partitions.ts'

export interface PartitionConsumerDeps extends ConsumeDeps {
  databaseUrl: string
  /** As which role batches are written; that of the URL unless given. */
  databaseRole?: DatabaseRoles['write']
  logger: Logger
  /** Called when another worker moved a position of ours: it may well own the partition now. */
  onFenced?: () => void
  /** Called once for every gap in the log, and when it is another log: partitions are paused until an operator decides. */
  onGap?: (gap: OffsetOutOfRangeError | LogIdentityError) => void
}

interface ConsumerState {
  name: string
  partitions: readonly number[]
  poison: PoisonRecords
  paused: PausedPartitions
  size: BatchSize
  uncertain: UncertainChanges
  /** Since the last batch that was written. */
  failures: number
  /** When it was logged last that the log is another one. */
  otherLogSinceMs: number | undefined
}

/** So often the log says again that somebody has to decide. */
const REMIND_MS = 60_000

/**
 * A partition consumer is one connection and the log partitions that are its own:
 *
 *   wait for former writers ▶ read positions ▶ for each batch: decode ▶ learn tenants, series and days ▶ write ▶ …
 *        ▲                                                                                                     │
 *        └───────────────────── any failure: new connection, wait a little, start again ◀──────────────────────┘
 *
 * A consumer that failed forgets everything but its poison records and believes only Postgres, so there is one way to
 * recover and it is the way to start. Nothing ends a consumer but its signal. A gap in the log pauses its partition
 * alone, and so does what cannot be read: a person has to know before it goes on.
 */
export async function runConsumer(
  deps: PartitionConsumerDeps,
  name: string,
  partitions: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  const state: ConsumerState = {
    name,
    partitions,
    poison: createPoisonRecords(),
    paused: createPausedPartitions(deps.execute),
    size: createBatchSize(),
    uncertain: createUncertainChanges(),
    failures: 0,
    otherLogSinceMs: undefined,
  }
  while (!signal.aborted) await consumeUntilFailure(deps, state, signal)
}

async function consumeUntilFailure(
  deps: PartitionConsumerDeps,
  state: ConsumerState,
  signal: AbortSignal,
): Promise<void> {
  let client: pg.Client | undefined
  let from: ReadonlyMap<number, number> = new Map()
  let watch: ReturnType<PausedPartitions['watch']> | undefined
  try {
    client = await connect(deps.databaseUrl, `worker ${state.name}`, deps.databaseRole)
    const { positions, rereads, identities } = await readOwnPositions(client, state.partitions)
    state.uncertain.notify(deps.notifier)
    const logIdentity = await checkLogIdentity(deps.execute, deps.log)
    // Another log was adopted in between, and its positions with it.
    if (identities.some((identity) => identity !== null && identity !== logIdentity))
      throw new FencedError(TOPICS.raw.name)
    state.otherLogSinceMs = undefined
    from = state.paused.resumable(positions)
    watch = state.paused.watch(signal)
    if (from.size > 0)
      await consumeBatches(deps, { client, from, state, logIdentity, rereads }, watch.signal)
    else await aborted(watch.signal)
  } catch (error) {
    if (error instanceof OffsetOutOfRangeError || error instanceof CorruptLogError)
      return await pausePartition(deps, state, error, from.get(error.partition) ?? 0)
    if (error instanceof LogIdentityError) return await waitForAdoption(deps, state, error, signal)
    state.failures++
    state.size.failed(error)
    deps.maintenance.forget()
    if (error instanceof FencedError) {
      // The worker that moved the position may have been killed before it notified.
      state.uncertain.add(EVERYTHING)
      deps.onFenced?.()
    }
    logFailure(deps.logger, state.name, error, state.failures)
    await waitBeforeRetry(state.failures, signal)
  } finally {
    watch?.end()
    if (client) await disconnect(client)
  }
}

async function pausePartition(
  { logger, onGap }: PartitionConsumerDeps,
  { name, paused }: ConsumerState,
  reason: PauseReason,
  readFrom: number,
): Promise<void> {
  logger.error(
    { consumer: name, partition: reason.partition, error: reason.message },
    reason instanceof OffsetOutOfRangeError
      ? 'events are missing from the log, partition paused until "npm run sluice -- offsets skip"'
      : 'log cannot be read, partition paused, retrying every minute',
  )
  try {
    const { isNew } = await paused.pause(reason, readFrom)
    if (isNew && reason instanceof OffsetOutOfRangeError) onGap?.(reason)
  } catch (error) {
    logFailure(logger, name, error, 1)
  }
}

/** All partitions of the consumer wait; an operator has to say what is to become of the records of either log. */
async function waitForAdoption(
  { logger, onGap }: PartitionConsumerDeps,
  state: ConsumerState,
  error: LogIdentityError,
  signal: AbortSignal,
): Promise<void> {
  const { name: consumer, partitions, otherLogSinceMs } = state
  if (otherLogSinceMs === undefined) onGap?.(error)
  if (otherLogSinceMs === undefined || performance.now() - otherLogSinceMs >= REMIND_MS) {
    state.otherLogSinceMs = performance.now()
    const { recorded, found } = error
    logger.error(
      { consumer, partitions, recorded, found },
      'this is another log than the stored offsets belong to, partitions paused: configure the former log, or decide with "sluice offsets adopt"',
    )
  }
  await pause(LIMITS.workerHeartbeatMs, signal)
}

interface OwnPositions {
  positions: Map<number, number>
  /** By partition: records below this offset may have been applied before, out of a former log. */
  rereads: Map<number, number>
  /** The logs that the positions belong to; null before any was read. */
  identities: (string | null)[]
}

/**
 * Read when no transaction that has moved these positions is under way any more, be it of a former owner or of our own
 * connection that was lost: whatever it did is visible from now on. A worker that moves one later fences us.
 * @throws when a partition has no position yet
 */
async function readOwnPositions(
  client: pg.Client,
  partitions: readonly number[],
): Promise<OwnPositions> {
  const { rows } = await client.query<{
    partition: number
    next: string
    until: string | null
    identity: string | null
  }>(
    `SELECT partition, next_offset AS next, reread_until AS until, log_identity AS identity FROM log_position
      WHERE topic = $1 AND partition = ANY ($2) ORDER BY partition FOR SHARE`,
    [TOPICS.raw.name, partitions],
  )
  if (rows.length !== partitions.length)
    throw new Error(
      `log_position lacks rows for ${TOPICS.raw.name}; run "npm run sluice -- migrate"`,
    )
  return {
    positions: new Map(rows.map(({ partition, next }) => [partition, Number(next)])),
    rereads: new Map(
      rows
        .filter(({ next, until }) => until !== null && Number(next) < Number(until))
        .map(({ partition, until }) => [partition, Number(until)]),
    ),
    identities: rows.map(({ identity }) => identity),
  }
}

/** No line holds an event's content: only codes and counts. */
function logFailure(logger: Logger, consumer: string, error: unknown, failures: number): void {
  const fields = {
    consumer,
    failures,
    code: (error as { code?: string }).code,
    error: String(error),
  }
  if (error instanceof FencedError)
    logger.warn(fields, 'position moved by another worker, reading it again')
  else if (['alarm', 'unknown'].includes(classifyFailure(error)))
    logger.error(fields, 'batch failed, nothing is lost, retrying')
  else logger.warn(fields, 'batch failed, retrying')
}

/** The first retry is immediate: most first failures are duplicates, deadlocks or poison records. */
async function waitBeforeRetry(failures: number, signal: AbortSignal): Promise<void> {
  if (failures <= 1) return
  const options = { baseMs: 50, maxMs: LIMITS.workerRetryMsMax, jitter: true }
  await pause(backoffMs(failures, options), signal)
}
