import pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { TOPICS } from '../../../contract/log/topics.ts'
import { DAY_MS, existingDays } from '../../db/day-partitions.ts'
import { pause } from '../../lib/pause.ts'
import type { Log, LogBatch, PartitionBatch } from '../../log/log.ts'
import { type Ask, clockOf, connect, disconnect } from '../consume/connection.ts'
import { classify } from '../consume/failure.ts'
import { decodeBatch, place, type Verdict } from '../decode/decode.ts'
import { createTenants } from '../decode/tenant-settings.ts'
import { createPartitionKeeper } from '../maintenance/partition-maintenance.ts'
import { createRowEncoder } from '../write/copy-rows.ts'
import { findRefused } from '../write/poison-records.ts'
import { createSeriesDirectory } from '../write/series.ts'
import { tryToWrite } from '../write/write-batch.ts'
import { type ReplayDeps, type Replayed, replayBatch } from './replay-batch.ts'

export interface ReplayOptions {
  databaseUrl: string
  log: Log
  ranges: readonly ReplayRange[]
  /** Only look what would happen. */
  dryRun?: boolean
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

const ATTEMPTS_MAX = 8

/**
 * Reads records again through the worker's own decoding and writing, beside the workers and without moving what they have
 * come to. What counted counts as it did; see replay-batch.ts for what changes.
 * @throws LogGapError where the log does not hold the range (any more) · NotAppliedError
 */
export async function replay(options: ReplayOptions): Promise<Replayed & { records: number }> {
  const { databaseUrl, log, signal, dryRun = false, onProgress = () => {} } = options
  const retentionDays = options.retentionDays ?? LIMITS.rawRetentionDaysDefault
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    application_name: 'sluice replay',
    max: 2,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 15_000,
    query_timeout: 20_000,
  })
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  const ask: Ask = (sql, values) => pool.query(sql, values)
  const tenants = createTenants(ask)
  const series = createSeriesDirectory(ask)
  const keeper = createPartitionKeeper({ pool, retentionDays })
  const condemned = new Map<string, Verdict>()
  const clock = await clockOf(ask)
  // What is too old to tell whether it counted is refused by its day; what was stored is never made a letter for its age.
  const times = () => ({ nowMs: clock(), ageDaysMax: Number.POSITIVE_INFINITY })
  const shared = {
    topic: TOPICS.raw.name,
    tenants,
    series,
    dryRun,
    oldestDay: await oldestDay(pool, retentionDays),
    ensure: keeper.ensure,
  }
  const total = { records: 0, stored: 0, revived: 0, unchanged: 0, dead: 0, refused: 0 }
  let client: pg.Client | undefined
  try {
    const ended = new AbortController()
    const wanted = options.ranges.filter(({ from, to }) => from < to)
    const open = new Map(wanted.map((range) => [range.partition, range.to]))
    if (open.size === 0) return total
    const batches = log.batches(TOPICS.raw.name, {
      from: new Map(wanted.map(({ partition, from }) => [partition, from])),
      signal: AbortSignal.any([signal, ended.signal]),
      maxRecords: LIMITS.logBatchRecordsMax,
      minIntervalMs: 0,
    })
    for await (const batch of batches) {
      const part = within(batch, open)
      if (part.partitions.length > 0) add(total, part, await again(part))
      onProgress(total.records)
      for (const run of part.partitions)
        if (run.nextOffset >= (open.get(run.partition) as number)) open.delete(run.partition)
      if (open.size === 0) ended.abort()
    }
    signal.throwIfAborted()
    return total
  } finally {
    if (client) await disconnect(client)
    await pool.end()
  }

  /** Tried again like the worker's, for a while: somebody waits for the end of it. */
  async function again(batch: LogBatch): Promise<Replayed> {
    for (let attempt = 1; ; attempt++)
      try {
        client ??= await connect(databaseUrl, 'replay')
        return await once(batch, { ...shared, client, encode: createRowEncoder() })
      } catch (error) {
        if (client) await disconnect(client)
        client = undefined
        keeper.forget()
        const means = classify(error)
        if (means === 'alarm' || means === 'unknown') throw error
        if (attempt === ATTEMPTS_MAX || signal.aborted) throw error
        if (means === 'retry') await pause(50 * 2 ** attempt, signal)
      }
  }

  async function once(batch: LogBatch, deps: ReplayDeps): Promise<Replayed> {
    const decoded = await decodeBatch(batch, tenants, condemned, times())
    const rows = decoded.flatMap((each) => (each.is === 'event' ? [each.row] : []))
    if (!dryRun) await series.learn(rows)
    try {
      return await replayBatch(deps, batch, decoded)
    } catch (error) {
      if (classify(error) !== 'row') throw error
      const refused = await findRefused(decoded, (some) => tryToWrite(deps, some))
      for (const { each, why } of refused) {
        const { record } = each.is === 'event' ? each.row : each.letter
        condemned.set(place(record), { why, bare: each.is === 'dead' })
      }
      if (refused.length === 0)
        throw new Error('Postgres refuses the batch, but none of its rows', { cause: error })
      throw error
    }
  }
}

/**
 * Of days before it some events may have been dropped, their own or those of the days in which a duplicate is looked for:
 * what came on such a day might count a second time.
 */
async function oldestDay(pool: pg.Pool, retentionDays: number): Promise<number> {
  const kept = Math.floor(Date.now() / DAY_MS) - retentionDays
  const days = await existingDays(pool, 'event')
  return Math.max(kept + LIMITS.dedupeDays - 1, ...(days.size > 0 ? [Math.min(...days)] : []))
}

/** What of a batch is still wanted. */
function within(batch: LogBatch, open: ReadonlyMap<number, number>): LogBatch {
  const partitions = batch.partitions.flatMap((run): PartitionBatch[] => {
    const to = open.get(run.partition)
    if (to === undefined || run.baseOffset >= to) return []
    if (run.nextOffset <= to) return [run]
    return [{ ...run, nextOffset: to, records: run.records.filter(({ offset }) => offset < to) }]
  })
  const recordCount = partitions.reduce((sum, run) => sum + run.records.length, 0)
  return { partitions, recordCount }
}

function add(total: Replayed & { records: number }, batch: LogBatch, more: Replayed): void {
  total.records += batch.recordCount
  for (const name of ['stored', 'revived', 'unchanged', 'dead', 'refused'] as const)
    total[name] += more[name]
}
