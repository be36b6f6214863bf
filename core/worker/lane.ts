import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { LIMITS } from '../../contract/limits.ts'
import { TOPICS } from '../../contract/topics.ts'
import { type Log, type LogBatch, LogGapError } from '../log/log.ts'
import { connect, disconnect } from './connection.ts'
import { createRowEncoder } from './copy-rows.ts'
import { decodeBatch, type EventRow, place } from './decode.ts'
import { classify } from './failure.ts'
import type { PartitionKeeper } from './partitions.ts'
import { createSeriesDirectory } from './series.ts'
import { createTenants } from './tenants.ts'
import { FencedError, findRefused, type Written, writeBatch } from './write.ts'

export interface LaneDeps {
  databaseUrl: string
  log: Log
  keeper: PartitionKeeper
  logger: Logger
  /** Told after every commit. */
  onWritten?: (written: Written) => void
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
 * and it is the way to start. Nothing but a gap in the log ends a lane: what was dropped before it
 * was read is lost, and a person has to know.
 */
export async function runLane(
  deps: LaneDeps,
  name: string,
  partitions: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  const condemned = new Map<string, string>()
  let failures = 0
  while (!signal.aborted) {
    let client: pg.Client | undefined
    try {
      client = await connect(deps.databaseUrl, `worker ${name}`)
      const apply = createApply(deps, client, condemned)
      const from = await readPositions(client, partitions)
      const batches = deps.log.batches(TOPICS.raw.name, {
        from,
        signal,
        maxRecords: LIMITS.logBatchRecordsMax,
        minIntervalMs: LIMITS.logBatchMinIntervalMs,
      })
      for await (const batch of batches) {
        const written = await apply(batch)
        forget(condemned, batch)
        failures = 0
        deps.onWritten?.(written)
      }
    } catch (error) {
      if (error instanceof LogGapError) {
        deps.logger.error(
          { lane: name, error: error.message },
          'the worker stops: events are missing from the log',
        )
        throw error
      }
      failures++
      report(deps.logger, name, error, failures)
      await pause(failures, signal)
    } finally {
      if (client) await disconnect(client)
    }
  }
}

function createApply(deps: LaneDeps, client: pg.Client, condemned: Map<string, string>) {
  const ask = (sql: string, values: unknown[]) => client.query(sql, values)
  const tenants = createTenants(ask)
  const series = createSeriesDirectory(ask)
  const write = { client, topic: TOPICS.raw.name, tenants, series, encode: createRowEncoder() }

  return async function apply(batch: LogBatch): Promise<Written> {
    const decoded = await decodeBatch(batch, tenants, condemned)
    const rows = decoded.flatMap((each) => (each.is === 'event' ? [each.row] : []))
    await series.learn(rows.map((row) => ({ tenantId: row.tenantId, metric: row.event.name })))
    await deps.keeper.ensure(rows.map((row) => row.receivedDay))
    try {
      return await writeBatch(write, batch, decoded)
    } catch (error) {
      if (classify(error) === 'row') await condemn(rows, error)
      throw error
    }
  }

  /** Remembers the rows at fault for the next try, which dead-letters them. */
  async function condemn(rows: readonly EventRow[], cause: unknown): Promise<void> {
    const refused = await findRefused(write, rows, (error) => classify(error) === 'row')
    for (const { row, why } of refused) condemned.set(place(row.record), why)
    if (refused.length === 0)
      throw new Error('Postgres refuses the batch, but none of its rows alone', { cause })
  }
}

/** Of a batch that is written nothing needs to be remembered. */
function forget(condemned: Map<string, string>, batch: LogBatch): void {
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
  else if (classify(error) === 'alarm')
    logger.error(fields, 'a batch failed; nothing is lost, it is tried again')
  else logger.warn(fields, 'a batch failed; it is tried again')
}

/** The first retry is immediate: most first failures are duplicates, deadlocks or bad rows. */
async function pause(failures: number, signal: AbortSignal): Promise<void> {
  if (failures <= 1) return
  const ms =
    Math.min(LIMITS.workerRetryMsMax, 50 * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2)
  await sleep(ms, undefined, { signal }).catch(() => {})
}
