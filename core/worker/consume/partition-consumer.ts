import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { aborted, pause } from '../../lib/pause.ts'
import { CorruptLogError, type Log, type LogBatch, OffsetOutOfRangeError } from '../../log/log.ts'
import { type Decoded, decodeBatch, type EventRow, place, type Verdict } from '../decode/decode.ts'
import { createTenants } from '../decode/tenant-settings.ts'
import type { PartitionKeeper } from '../maintenance/partition-maintenance.ts'
import { createRowEncoder } from '../write/copy-rows.ts'
import { findRefused } from '../write/poison-records.ts'
import { createSeriesDirectory } from '../write/series.ts'
import { FencedError, tryToWrite, type Written, writeBatch } from '../write/write-batch.ts'
import { type Ask, clockOf, connect, disconnect } from './connection.ts'
import { classify } from './failure.ts'
import { createParked, type Obstacle } from './paused-partitions.ts'

export interface LaneDeps {
  databaseUrl: string
  log: Log
  keeper: Pick<PartitionKeeper, 'ensure' | 'forget'>
  /** For what a lane has to look up while its own connection writes. */
  ask: Ask
  logger: Logger
  /** Told after every commit. */
  onWritten?: (written: Written & { ms: number }) => void
  /** Told when another worker moved a position of ours: it may well own the partition now. */
  onFenced?: () => void
  /** Told of every gap in the log once. */
  onGap?: (gap: OffsetOutOfRangeError) => void
}

export interface Logger {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/**
 * A lane is one connection and the log partitions that are its own:
 *
 *   read positions ▶ for each batch: decode ▶ learn tenants, series and days ▶ write ▶ …
 *        ▲                                                                           │
 *        └──────── any failure: new connection, wait a little, begin anew ◀──────────┘
 *
 * A lane that failed forgets everything and believes only Postgres, so there is one way to recover
 * and it is the way to start. Nothing ends a lane but its signal. A gap in the log holds up its partition
 * alone, and so does what cannot be read: a person has to know before it goes on.
 */
export async function runLane(
  deps: LaneDeps,
  name: string,
  partitions: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  const condemned = new Map<string, Verdict>()
  const parked = createParked(deps.ask)
  let failures = 0
  while (!signal.aborted) {
    let client: pg.Client | undefined
    let from: ReadonlyMap<number, number> = new Map()
    let watch: ReturnType<typeof parked.watch> | undefined
    try {
      client = await connect(deps.databaseUrl, `worker ${name}`)
      from = parked.open(await readPositions(client, partitions))
      watch = parked.watch(signal)
      const tries = {
        before: () => failures,
        succeeded() {
          failures = 0
        },
      }
      if (from.size > 0) await pump(deps, client, from, condemned, watch.signal, tries)
      else await aborted(watch.signal)
    } catch (error) {
      if (error instanceof OffsetOutOfRangeError || error instanceof CorruptLogError) {
        await park(error, from.get(error.partition) ?? 0)
        continue
      }
      failures++
      deps.keeper.forget()
      if (error instanceof FencedError) deps.onFenced?.()
      report(deps.logger, name, error, failures)
      await backOff(failures, signal)
    } finally {
      watch?.end()
      if (client) await disconnect(client)
    }
  }

  async function park(obstacle: Obstacle, readFrom: number): Promise<void> {
    deps.logger.error(
      { lane: name, partition: obstacle.partition, error: obstacle.message },
      obstacle instanceof OffsetOutOfRangeError
        ? 'events are missing from the log; their partition waits until somebody decides ("npx sluice gap" tells)'
        : 'the log cannot be read; its partition waits and is tried every minute',
    )
    try {
      const { isNew } = await parked.park(obstacle, readFrom)
      if (isNew && obstacle instanceof OffsetOutOfRangeError) deps.onGap?.(obstacle)
    } catch (trouble) {
      report(deps.logger, name, trouble, 1)
    }
  }
}

/**
 * Decodes a batch while Postgres still writes the one before: they need different cores. Writes never
 * overlap, and a write that fails ends the reading at once.
 */
async function pump(
  deps: LaneDeps,
  client: pg.Client,
  from: ReadonlyMap<number, number>,
  condemned: Map<string, Verdict>,
  signal: AbortSignal,
  tries: { succeeded(): void; before(): number },
): Promise<void> {
  const clock = await clockOf(deps.ask)
  const tenants = createTenants(deps.ask)
  const series = createSeriesDirectory(deps.ask)
  const write = { client, topic: TOPICS.raw.name, tenants, series, encode: createRowEncoder() }
  const failed = new AbortController()
  let writing: Promise<void> = Promise.resolve()

  const batches = deps.log.batches(TOPICS.raw.name, {
    from,
    signal: AbortSignal.any([signal, failed.signal]),
    maxRecords: LIMITS.logBatchRecordsMax,
    minIntervalMs: LIMITS.logBatchMinIntervalMs,
  })
  try {
    for await (const batch of batches) {
      const decoded = await prepare(batch)
      await writing
      writing = apply(batch, decoded)
      // It is awaited at the next batch or at the end; until then it is not unheard of.
      writing.catch(() => failed.abort())
    }
  } finally {
    // Also where the reading failed: what was read until then may not be there to be read again.
    await writing
  }

  async function prepare(batch: LogBatch): Promise<Decoded[]> {
    const decoded = await decodeBatch(batch, tenants, condemned, { nowMs: clock() })
    try {
      await learn(decoded)
    } catch (error) {
      // The connection is the other batch's until that is written.
      await writing.catch(() => {})
      await condemn(decoded, error)
      throw error
    }
    return decoded
  }

  async function learn(decoded: readonly Decoded[]): Promise<void> {
    const rows = rowsOf(decoded)
    await series.learn(rows)
    await deps.keeper.ensure(rows)
  }

  async function apply(batch: LogBatch, decoded: Decoded[]): Promise<void> {
    const began = performance.now()
    let written: Written
    try {
      written = await writeBatch(write, batch, decoded)
    } catch (error) {
      await condemn(decoded, error)
      throw error
    }
    forget(condemned, batch)
    tries.succeeded()
    deps.log.applied?.(
      TOPICS.raw.name,
      new Map(batch.partitions.map((run) => [run.partition, run.nextOffset])),
    )
    deps.onWritten?.({ ...written, ms: performance.now() - began })
  }

  /** Remembers the records at fault for the next try, which dead-letters them. */
  async function condemn(decoded: readonly Decoded[], cause: unknown): Promise<void> {
    const means = classify(cause)
    // What nobody has met may be over by the next try.
    if (means !== 'row' && !(means === 'unknown' && tries.before() > 0)) return
    const refused = await findRefused(decoded, async (some) => {
      await learn(some)
      await tryToWrite(write, some)
    })
    for (const { each, why } of refused) {
      const { record } = each.is === 'event' ? each.row : each.letter
      condemned.set(place(record), { why, bare: each.is === 'dead' })
    }
    if (refused.length === 0 && means === 'row')
      throw new Error('Postgres refuses the batch, but none of its records alone', { cause })
  }
}

function rowsOf(decoded: readonly Decoded[]): EventRow[] {
  const rows: EventRow[] = []
  for (const each of decoded) if (each.is === 'event') rows.push(each.row)
  return rows
}

/** Of a batch that is written nothing needs to be remembered. */
function forget(condemned: Map<string, Verdict>, batch: LogBatch): void {
  if (condemned.size === 0) return
  for (const run of batch.partitions)
    for (const record of run.records) condemned.delete(place(record))
}

async function readPositions(client: pg.Client, partitions: readonly number[]) {
  const { rows } = await client.query<{ partition: number; next_offset: string }>(
    'SELECT partition, next_offset FROM log_position WHERE topic = $1 AND partition = ANY ($2)',
    [TOPICS.raw.name, partitions],
  )
  if (rows.length !== partitions.length)
    throw new Error(`log_position lacks rows for ${TOPICS.raw.name}; run "npx sluice migrate"`)
  return new Map(rows.map((row) => [row.partition, Number(row.next_offset)]))
}

/** No line holds an event's content: only codes and counts. */
function report(logger: Logger, lane: string, error: unknown, failures: number): void {
  const fields = { lane, failures, code: (error as { code?: string }).code, error: String(error) }
  if (error instanceof FencedError) logger.warn(fields, 'fenced out')
  else if (['alarm', 'unknown'].includes(classify(error)))
    logger.error(fields, 'a batch failed; nothing is lost, it is tried again')
  else logger.warn(fields, 'a batch failed; it is tried again')
}

/** The first retry is immediate: most first failures are duplicates, deadlocks or bad rows. */
async function backOff(failures: number, signal: AbortSignal): Promise<void> {
  if (failures <= 1) return
  const ms =
    Math.min(LIMITS.workerRetryMsMax, 50 * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2)
  await pause(ms, signal)
}
