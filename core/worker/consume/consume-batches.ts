import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import type { Log, LogBatch } from '../../log/log.ts'
import { decodeBatch } from '../decode/decode.ts'
import { type Decoded, splitDecoded } from '../decode/decoded.ts'
import { createTenants } from '../decode/tenant-settings.ts'
import type { PartitionMaintenance } from '../maintenance/partition-maintenance.ts'
import { type AppliedBatch, applyBatch, tryBatch, type WriteDeps } from '../write/apply-batch.ts'
import { createMetricDirectory } from '../write/metric-directory.ts'
import type { PoisonRecords } from '../write/poison-records.ts'
import { createRowEncoder } from '../write/row-encoder.ts'
import { createSeriesDirectory } from '../write/series.ts'
import type { BatchSize } from './batch-size.ts'
import type { ChangeNotifier, UncertainChanges } from './change-notifier.ts'
import { type ExecuteQuery, readDatabaseMs } from './connection.ts'
import { type ExpiredRereads, readExpiredRereads, refuseExpired } from './expired-rereads.ts'

export interface ConsumeDeps {
  log: Log
  maintenance: Pick<PartitionMaintenance, 'ensure' | 'forget'>
  /** For look-ups while the consumer's own connection writes. */
  execute: ExecuteQuery
  notifier: Pick<ChangeNotifier, 'notify'>
  /** Called with each batch once it is written. */
  observe?: (decoded: readonly Decoded[]) => void
  /** Called after every commit. */
  onWritten?: (written: AppliedBatch & { ms: number }) => void
}

export interface ConsumeOptions {
  client: pg.Client
  /** The offset at which to begin, by partition. */
  from: ReadonlyMap<number, number>
  /** Of the log that is read. */
  logIdentity: string
  /** By partition: records below this offset may have been applied before, out of a former log. */
  rereads: ReadonlyMap<number, number>
  state: {
    poison: PoisonRecords
    size: BatchSize
    uncertain: UncertainChanges
    /** Failures in a row; set to zero by every batch that is written. */
    failures: number
  }
}

interface Session extends Pick<ConsumeOptions, 'state'> {
  deps: ConsumeDeps
  write: WriteDeps
  expired: ExpiredRereads | undefined
}

/**
 * Reads and applies batches until `signal` aborts, or until larger batches may be tried again. Decodes a batch while Postgres still writes the one before: they
 * need different cores. Writes never overlap, and a write that fails ends the reading at once.
 */
export async function consumeBatches(
  deps: ConsumeDeps,
  { client, from, state, logIdentity, rereads }: ConsumeOptions,
  signal: AbortSignal,
): Promise<void> {
  const session: Session = {
    deps,
    state,
    expired: await readExpiredRereads(deps.execute, rereads),
    write: {
      client,
      topic: TOPICS.raw.name,
      logIdentity,
      tenants: createTenants(deps.execute),
      series: createSeriesDirectory(deps.execute),
      metrics: createMetricDirectory(deps.execute),
      encode: createRowEncoder(),
    },
  }
  const failed = new AbortController()
  const patience = state.size.patience()
  let writing: Promise<void> = Promise.resolve()
  const batches = deps.log.batches(TOPICS.raw.name, {
    from,
    identity: logIdentity,
    signal: AbortSignal.any([signal, failed.signal, ...(patience ? [patience] : [])]),
    maxRecords: state.size.recordsMax,
    minIntervalMs: LIMITS.logBatchMinIntervalMs,
    maxIntervalMs: LIMITS.logBatchMaxIntervalMs,
  })
  try {
    for await (const batch of batches) {
      const decoded = await prepareBatch(session, batch, writing)
      await writing
      writing = writeBatch(session, batch, decoded)
      // It is awaited at the next batch or at the end; until then its rejection counts as handled.
      writing.catch(() => failed.abort())
    }
  } finally {
    // Also where the reading failed: what was read until then may not be in the log any more.
    await writing
  }
  if (patience?.aborted) state.size.grow()
}

/** Decodes a batch and creates what its rows refer to. `previous` is the write that uses the connection meanwhile. */
async function prepareBatch(
  session: Session,
  batch: LogBatch,
  previous: Promise<void>,
): Promise<Decoded[]> {
  const { deps, state, write, expired } = session
  const { reasons } = state.poison
  const read = await decodeBatch(batch, write.tenants, reasons, {
    nowMs: await readDatabaseMs(deps.execute),
  })
  const decoded = expired ? refuseExpired(read, expired) : read
  try {
    await learn(session, decoded)
  } catch (error) {
    await previous.catch(() => {})
    await findPoison(session, decoded, error)
    throw error
  }
  return decoded
}

async function writeBatch(session: Session, batch: LogBatch, decoded: Decoded[]): Promise<void> {
  const { deps, state, write } = session
  const startedAt = performance.now()
  let written: AppliedBatch
  try {
    written = await applyBatch(write, batch, decoded, {
      position: 'advance',
      beforeCommit: state.uncertain.add,
    })
  } catch (error) {
    await findPoison(session, decoded, error)
    throw error
  }
  state.uncertain.notify(deps.notifier)
  state.poison.forget(batch)
  state.failures = 0
  deps.log.applied?.(
    TOPICS.raw.name,
    new Map(batch.partitions.map((run) => [run.partition, run.nextOffset])),
  )
  deps.observe?.(decoded)
  deps.onWritten?.({ ...written, ms: performance.now() - startedAt })
}

/** Series and day partitions exist before the transaction that needs them. */
async function learn({ deps, write }: Session, decoded: readonly Decoded[]): Promise<void> {
  const parts = splitDecoded(decoded)
  await write.series.learn(parts.rows)
  await deps.maintenance.ensure(parts)
}

/** An unknown error may be over at the next attempt: only when it comes again records are suspected. */
function findPoison(session: Session, decoded: Decoded[], cause: unknown): Promise<void> {
  const { poison, failures } = session.state
  const attempt = async (some: readonly Decoded[]) => {
    await learn(session, some)
    await tryBatch(session.write, some)
  }
  return poison.find(decoded, cause, attempt, failures > 0)
}
