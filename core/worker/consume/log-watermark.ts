import { LIMITS } from '../../../contract/limits.ts'
import { pause } from '../../lib/pause.ts'
import type { PartitionOffsets } from '../../log/log.ts'
import { publishFinality } from '../write/finality.ts'
import type { ExecuteQuery } from './connection.ts'

export interface LogWatermarkDeps {
  execute: ExecuteQuery
  topic: string
  /** Only its own partitions are advanced. */
  workerId: string
  /** The log's first and last offsets. */
  readOffsets: () => Promise<PartitionOffsets[]>
}

interface Observation {
  atMs: number
  /** The log's end offset, by partition. */
  ends: ReadonlyMap<number, number>
}

/**
 * Tracks up to when each partition of the log was applied (log_lease.applied_through): no bucket is final beyond the
 * least of them.
 *
 *   read the positions ▶ read where the log ends ▶ a little later: the positions again ▶ the ends again ▶ …
 *
 * A position that has reached where the log ended has applied all that it held then. A position beyond the log's end
 * is no position in this log: the log was recreated, and what is missing is unknown. Goes on until `signal` aborts.
 */
export async function trackLogWatermark(
  deps: LogWatermarkDeps,
  signal: AbortSignal,
): Promise<void> {
  let before: Observation | undefined
  while (!signal.aborted) {
    try {
      before = await advance(deps, before)
      await publishFinality(deps.execute, deps.topic)
    } catch {
      // What is unknown is not advanced. The error is logged by what reads the log or writes to Postgres.
    }
    await pause(LIMITS.workerHeartbeatMs, signal)
  }
}

async function advance(
  deps: LogWatermarkDeps,
  before: Observation | undefined,
): Promise<Observation> {
  const { positions, atMs } = await readPositionsWithTime(deps)
  // Records behind an open transaction are in the log, and will be read.
  const ends = new Map(
    (await deps.readOffsets()).map(
      ({ partition, lastStableOffset, logEndOffset = lastStableOffset }) => [
        partition,
        logEndOffset,
      ],
    ),
  )
  const applied = [...positions].filter(
    ([partition, position]) =>
      position >= (before?.ends.get(partition) ?? Number.POSITIVE_INFINITY) &&
      position <= (ends.get(partition) ?? Number.NEGATIVE_INFINITY),
  )
  if (before && applied.length > 0)
    await advanceAppliedThrough(
      deps,
      applied.map(([partition]) => partition),
      before.atMs,
    )
  return { atMs, ends }
}

/** By Postgres' clock, which all workers have in common. */
async function readPositionsWithTime({ execute, topic }: LogWatermarkDeps) {
  const { rows } = await execute(
    `SELECT partition, next_offset, (extract(epoch FROM statement_timestamp()) * 1000)::float8 AS ms
       FROM log_position WHERE topic = $1`,
    [topic],
  )
  return {
    positions: new Map(rows.map((row) => [row.partition as number, Number(row.next_offset)])),
    // A record has its time before it is in the log.
    atMs: Number(rows[0]?.ms ?? 0) - LIMITS.logAppendMsMax,
  }
}

/** A locked row is being assigned to another worker, and advanced the next time. */
async function advanceAppliedThrough(
  { execute, topic, workerId }: LogWatermarkDeps,
  partitions: readonly number[],
  atMs: number,
): Promise<void> {
  await execute(
    `UPDATE log_lease l SET applied_through = to_timestamp($4)
       FROM (SELECT partition FROM log_lease WHERE topic = $1 AND worker_id = $2 AND partition = ANY ($3)
                AND (applied_through IS NULL OR applied_through < to_timestamp($4)) FOR UPDATE SKIP LOCKED) free
      WHERE l.topic = $1 AND l.partition = free.partition`,
    [topic, workerId, partitions, atMs / 1000],
  )
}
