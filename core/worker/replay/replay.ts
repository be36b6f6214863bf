import pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { backoffMs } from '../../lib/backoff.ts'
import { pause } from '../../lib/pause.ts'
import type { Log, LogBatch, PartitionBatch } from '../../log/log.ts'
import {
  connect,
  createDatabaseClock,
  disconnect,
  type ExecuteQuery,
} from '../consume/connection.ts'
import { classifyFailure } from '../consume/failure.ts'
import { checkLogIdentity } from '../consume/log-identity.ts'
import { decodeBatch } from '../decode/decode.ts'
import { splitDecoded } from '../decode/decoded.ts'
import { createTenants } from '../decode/tenant-settings.ts'
import { createPartitionMaintenance } from '../maintenance/partition-maintenance.ts'
import { tryBatch } from '../write/apply-batch.ts'
import { createMetricDirectory } from '../write/metric-directory.ts'
import { createPoisonRecords } from '../write/poison-records.ts'
import { createRowEncoder } from '../write/row-encoder.ts'
import { createSeriesDirectory } from '../write/series.ts'
import { findOldestDay } from './oldest-day.ts'
import { type ReplayDeps, type ReplayResult, replayBatch } from './replay-batch.ts'

export interface ReplayOptions {
  databaseUrl: string
  log: Log
  ranges: readonly ReplayRange[]
  /** Count what would happen, and change nothing. */
  dryRun?: boolean
  /** For which days events are kept; as the workers of this database do it unless set, and never longer than they do. */
  retentionDays?: number
  signal: AbortSignal
  onProgress?: (recordsRead: number) => void
}

/** Offsets of a partition that are read again; `to` is the first one that is not. */
export interface ReplayRange {
  partition: number
  from: number
  to: number
}

type ReplayTotal = ReplayResult & { records: number }

const ATTEMPTS_MAX = 8

/**
 * Reads records again through the worker's own decoding and writing, while workers run and without moving their
 * positions. What counted counts as it did; see replay-batch.ts for what changes.
 * @throws OffsetOutOfRangeError where the log does not hold the range (any more) · NotAppliedError
 */
export async function replay(options: ReplayOptions): Promise<ReplayTotal> {
  const { log, signal, onProgress = () => {} } = options
  const total = { records: 0, stored: 0, recovered: 0, unchanged: 0, dead: 0, refused: 0 }
  const ranges = options.ranges.filter(({ from, to }) => from < to)
  const pending = new Map(ranges.map((range) => [range.partition, range.to]))
  if (pending.size === 0) return total
  const session = await openSession(options)
  try {
    const ended = new AbortController()
    const batches = log.batches(TOPICS.raw.name, {
      from: new Map(ranges.map(({ partition, from }) => [partition, from])),
      signal: AbortSignal.any([signal, ended.signal]),
      maxRecords: LIMITS.logBatchRecordsMax,
      minIntervalMs: 0,
    })
    for await (const batch of batches) {
      const part = clipBatch(batch, pending)
      if (part.partitions.length > 0) addResult(total, part, await session.replay(part))
      onProgress(total.records)
      for (const run of part.partitions)
        if (run.nextOffset >= (pending.get(run.partition) as number)) pending.delete(run.partition)
      if (pending.size === 0) ended.abort()
    }
    signal.throwIfAborted()
    return total
  } finally {
    await session.close()
  }
}

interface ReplaySession {
  /** Retries like the worker does, but not for ever: a person waits for the end of it. */
  replay(batch: LogBatch): Promise<ReplayResult>
  close(): Promise<void>
}

async function openSession(options: ReplayOptions): Promise<ReplaySession> {
  const { databaseUrl, signal, dryRun = false } = options
  const pool = createReplayPool(databaseUrl)
  const execute: ExecuteQuery = (sql, values) => pool.query(sql, values)
  const maintenance = createPartitionMaintenance({ pool })
  const tenants = createTenants(execute)
  const series = createSeriesDirectory(execute)
  const poison = createPoisonRecords()
  let client: pg.Client | undefined
  const close = async () => {
    if (client) await disconnect(client)
    await pool.end()
  }

  const logIdentity = await checkLogIdentity(execute, options.log).catch(async (error) => {
    await close()
    throw error
  })
  const shared = {
    topic: TOPICS.raw.name,
    logIdentity,
    tenants,
    series,
    metrics: createMetricDirectory(execute),
    dryRun,
    ensure: maintenance.ensure,
  }

  async function attempt(
    batch: LogBatch,
    deps: Omit<ReplayDeps, 'oldestDay'>,
  ): Promise<ReplayResult> {
    // In every batch: midnight passes, and workers drop days meanwhile.
    const oldestDay = await findOldestDay(pool, execute, options.retentionDays)
    const clock = await createDatabaseClock(execute)
    // A record that is too old is refused by its day; one that was stored never becomes a dead letter for its age.
    const times = { nowMs: clock(), ageDaysMax: Number.POSITIVE_INFINITY }
    const decoded = await decodeBatch(batch, tenants, poison.reasons, times)
    if (!dryRun) await series.learn(splitDecoded(decoded).rows)
    try {
      return await replayBatch({ ...deps, oldestDay }, batch, decoded)
    } catch (error) {
      await poison.find(decoded, error, (some) => tryBatch(deps, some), false)
      throw error
    }
  }

  return {
    async replay(batch) {
      for (let attempts = 1; ; attempts++)
        try {
          client ??= await connect(databaseUrl, 'replay')
          return await attempt(batch, { ...shared, client, encode: createRowEncoder() })
        } catch (error) {
          if (client) await disconnect(client)
          client = undefined
          maintenance.forget()
          const failure = classifyFailure(error)
          if (failure === 'alarm' || failure === 'unknown') throw error
          if (attempts === ATTEMPTS_MAX || signal.aborted) throw error
          if (failure === 'retry') await pause(backoffMs(attempts, { baseMs: 50 }), signal)
        }
    },
    close,
  }
}

function createReplayPool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({
    connectionString,
    application_name: 'sluice replay',
    max: 2,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 15_000,
    query_timeout: 20_000,
    idle_in_transaction_session_timeout: 5_000,
  })
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}

/** The part of a batch that is within the ranges; `pending` holds their ends, by partition. */
function clipBatch(batch: LogBatch, pending: ReadonlyMap<number, number>): LogBatch {
  const partitions = batch.partitions.flatMap((run): PartitionBatch[] => {
    const to = pending.get(run.partition)
    if (to === undefined || run.baseOffset >= to) return []
    if (run.nextOffset <= to) return [run]
    return [{ ...run, nextOffset: to, records: run.records.filter(({ offset }) => offset < to) }]
  })
  const recordCount = partitions.reduce((sum, run) => sum + run.records.length, 0)
  return { partitions, recordCount }
}

function addResult(total: ReplayTotal, batch: LogBatch, result: ReplayResult): void {
  total.records += batch.recordCount
  for (const name of ['stored', 'recovered', 'unchanged', 'dead', 'refused'] as const)
    total[name] += result[name]
}
