import type pg from 'pg'
import type { ChangedBuckets } from '../../db/changed-buckets.ts'
import type { LogBatch } from '../../log/log.ts'
import { type Decoded, type DecodedParts, type EventRow, splitDecoded } from '../decode/decoded.ts'
import type { Tenants } from '../decode/tenant-settings.ts'
import { upsertAggregates } from './aggregates.ts'
import { type BatchChanges, findChanges, findRereadChanges } from './batch-changes.ts'
import { copyRows } from './copy-rows.ts'
import { insertDeadLetters, markRecovered } from './dead-letters.ts'
import { type FinalityByTenant, type FinalityView, NEVER_FINAL } from './finality.ts'
import { insertDuplicates } from './ids/duplicates.ts'
import { insertIdempotencyKeys } from './ids/idempotency-keys.ts'
import { markArrivals } from './mark-arrivals.ts'
import type { MetricDirectory } from './metric-directory.ts'
import { createMetricSums, type MetricSum } from './metric-sums.ts'
import { ActivatedMeanwhileError, advancePositions, holdPositions } from './positions.ts'
import { type BatchRollup, rollUp } from './roll-up.ts'
import type { SeriesDirectory } from './series.ts'

/** What a transaction of the worker needs. The tenants and series of the batch must have been learnt. */
export interface WriteDeps {
  client: pg.Client
  topic: string
  /** The log that the batches are read from; positions of another one are left alone. */
  logIdentity?: string
  tenants: Tenants
  series: SeriesDirectory
  metrics: MetricDirectory
  encode: (rows: readonly EventRow[]) => Buffer
}

/** How many records of a batch had which outcome; records that changed nothing are in none of them. */
export interface AppliedBatch {
  stored: number
  duplicates: number
  /** Duplicates whose content differs from that of the first; in none of the other numbers. */
  conflicting: number
  dead: number
  /** Of the stored and the duplicates: how many had been dead letters. */
  recovered: number
}

export interface ApplyOptions {
  /** A worker applies a batch for the first time and advances the positions; a replay holds them. */
  position: 'advance' | 'hold'
  /** Roll back instead of writing. */
  dryRun?: boolean
  /** Called with what the commit is about to change: listeners have to be notified unless it surely fails. */
  beforeCommit: (changed: ChangedBuckets) => Promise<void> | void
}

/**
 * Applies one batch in one transaction, for the worker and for a replay:
 *
 *   advance the positions by compare-and-set, or hold them ▶ which keys are stored already ▶ COPY the new rows ▶
 *   rollups, declared metrics, outcomes, watermarks, dead letters of exactly those ▶ commit
 *
 * The crash story. A position advances with the results it stands for, so a crash before the commit
 * leaves neither, and the batch is read again; a crash after it leaves both. It advances FIRST: its row
 * lock lets one writer in at a time, and a worker that was frozen and lost its partition to another
 * finds the position elsewhere and touches nothing. The keys are looked up after that lock is taken,
 * so whatever an earlier owner stored is visible. Should a duplicate slip through all the same
 * (its key came through another log partition on the same day), the primary key refuses it with 23505, the whole
 * batch rolls back, and the next attempt sees it. No constraint meets a key that comes through two partitions on two
 * days while both batches are in flight: it counts twice (docs/operations.md). Aggregates come last: their rows are the only ones that
 * two writers share, and they are locked in one order for the shortest time.
 *
 * A replay takes the same row locks and leaves the positions where they are, so whatever a worker writes of these
 * partitions comes before or after, never between the look-up and the rows. A record that is stored already, as an
 * event or as a dead letter, changes no number, so a replay that crashed is simply run again. A dead letter that
 * can be stored now is recovered: it is taken from the dead ones and added to the stored ones (or the duplicates), in
 * the minute it was received.
 *
 * @throws FencedError (advance) · NotAppliedError (hold) · whatever Postgres refused; then nothing is kept, and
 *   the caller discards the connection
 */
export async function applyBatch(
  deps: WriteDeps,
  batch: LogBatch,
  decoded: readonly Decoded[],
  { position, dryRun = false, beforeCommit }: ApplyOptions,
): Promise<AppliedBatch> {
  const { client, topic, encode, logIdentity } = deps
  const parts = splitDecoded(decoded)
  const takePositions = position === 'advance' ? advancePositions : holdPositions
  const take = () => takePositions(client, topic, batch, tenantIdsOf(parts.rows), logIdentity)
  const finality = await take().catch((error) => {
    if (error instanceof ActivatedMeanwhileError) return take()
    throw error
  })
  const isReplay = position === 'hold'
  // Before each row is encoded; where they are encoded early, those are all that will be stored.
  const mark = (rows: readonly EventRow[]) =>
    markArrivals(rows, (id) => viewOf(finality, id), isReplay)
  const encodeEarly = (rows: readonly EventRow[]) => {
    mark(rows)
    return encode(rows)
  }
  try {
    const changes = isReplay
      ? await findRereadChanges(client, topic, encodeEarly, batch, parts)
      : await findChanges(client, encodeEarly, parts)
    if (!changes.encoded) mark(changes.newRows)
    if (!dryRun) await beforeCommit(await writeChanges(deps, changes, finality))
    await client.query(dryRun ? 'ROLLBACK' : 'COMMIT')
    return {
      stored: changes.newRows.length,
      duplicates: changes.duplicates.length,
      conflicting: changes.conflicting.length,
      dead: changes.deadLetters.length,
      recovered: changes.recoveredRows.length,
    }
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

/** All that `applyBatch` does between the position and the commit; nothing of it is kept. */
export async function tryBatch(deps: WriteDeps, decoded: readonly Decoded[]): Promise<void> {
  const { client, encode } = deps
  await client.query('BEGIN')
  try {
    const changes = await findChanges(client, encode, splitDecoded(decoded))
    await writeChanges(deps, changes, undefined)
  } finally {
    await client.query('ROLLBACK')
  }
}

async function writeChanges(
  deps: WriteDeps,
  { newRows, duplicates, conflicting, deadLetters, recoveredRows, encoded }: BatchChanges,
  finality: FinalityByTenant | undefined,
): Promise<ChangedBuckets> {
  const { client, topic, encode } = deps
  const hasMetrics = finality !== undefined && (await deps.metrics.load(client, finality))
  // Postgres copies while we add up; `all`, so that neither failure goes unhandled.
  const [{ rollup, metrics }] = await Promise.all([
    rollUpRows(deps, newRows, finality, hasMetrics),
    copyRows(client, encode, newRows, encoded),
  ])
  await insertIdempotencyKeys(client, newRows)
  await insertDuplicates(client, duplicates, conflicting)
  if (deadLetters.length > 0) await insertDeadLetters(client, topic, deadLetters)
  const recovered = await markRecovered(client, topic, recoveredRows)
  const outcome = { newRows, duplicates, conflicting, deadLetters, recovered }
  return upsertAggregates(client, rollup, outcome, metrics)
}

async function rollUpRows(
  { series, metrics }: WriteDeps,
  rows: readonly EventRow[],
  finality: FinalityByTenant | undefined,
  hasMetrics: boolean,
): Promise<{ rollup: BatchRollup; metrics: readonly MetricSum[] }> {
  // Let the COPY be sent first.
  await Promise.resolve()
  const sums = hasMetrics ? createMetricSums(metrics.of) : undefined
  const rollup = rollUp(rows, {
    seriesId: (row) => series.id(row.tenantId, row.event.name),
    finality: (id) => viewOf(finality, id),
    ...(sums && { onRow: sums.add }),
  })
  return { rollup, metrics: sums ? await metrics.resolve(sums.groups) : [] }
}

function tenantIdsOf(rows: DecodedParts['rows']): number[] {
  return [...new Set(rows.map((row) => row.tenantId))]
}

/** @param finality undefined: nothing of the batch is kept */
function viewOf(finality: FinalityByTenant | undefined, tenantId: number): FinalityView {
  if (finality === undefined) return NEVER_FINAL
  const view = finality.get(tenantId)
  // It would pass for a tenant without any final bucket.
  if (!view) throw new Error(`tenant ${tenantId} is not visible to the worker`)
  return view
}
