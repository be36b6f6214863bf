import { LIMITS } from '../../../contract/limits.ts'
import { pause } from '../../lib/pause.ts'
import type { PartitionOffsets } from '../../log/log.ts'
import type { Ask } from './connection.ts'

export interface ReadMarksDeps {
  ask: Ask
  topic: string
  /** Only its own partitions are marked. */
  workerId: string
  /** How far the log goes. */
  bounds: () => Promise<PartitionOffsets[]>
}

/**
 * Marks up to when each partition of the log was read (log_lease.applied_through): no bucket is final beyond the least of them.
 *
 *   where the positions are ▶ where the log ends ▶ a little later: the positions again ▶ the ends again ▶ …
 *
 * A position that has come to where the log ended has all that it held then. One that is beyond where the log ends is no
 * position in this log: it was made anew, and nobody knows what is missing. Goes on until `signal` aborts.
 */
export async function markReadForEver(deps: ReadMarksDeps, signal: AbortSignal): Promise<void> {
  let before: { atMs: number; ends: Map<number, number> } | undefined
  while (!signal.aborted) {
    try {
      const positions = await readPositions(deps)
      // A record has its time before it is in the log.
      const atMs = Date.now() - LIMITS.logAppendMsMax
      // What waits behind an open transaction is in the log, and will be read.
      const ends = new Map(
        (await deps.bounds()).map(
          ({ partition, lastStableOffset: next, logEndOffset: end = next }) => [partition, end],
        ),
      )
      const read = [...positions].filter(
        ([partition, at]) =>
          at >= (before?.ends.get(partition) ?? Number.POSITIVE_INFINITY) &&
          at <= (ends.get(partition) ?? Number.NEGATIVE_INFINITY),
      )
      if (before && read.length > 0)
        await mark(
          deps,
          read.map(([partition]) => partition),
          before.atMs,
        )
      before = { atMs, ends }
    } catch {
      // What is not known is not marked. The trouble is told by whoever reads the log, or writes to Postgres.
    }
    await pause(LIMITS.workerHeartbeatMs, signal)
  }
}

async function readPositions({ ask, topic }: ReadMarksDeps): Promise<Map<number, number>> {
  const { rows } = await ask('SELECT partition, next_offset FROM log_position WHERE topic = $1', [
    topic,
  ])
  return new Map(rows.map((row) => [row.partition as number, Number(row.next_offset)]))
}

/** What is locked is being given to somebody, and marked the next time. */
async function mark(
  { ask, topic, workerId }: ReadMarksDeps,
  partitions: readonly number[],
  atMs: number,
): Promise<void> {
  await ask(
    `UPDATE log_lease l SET applied_through = to_timestamp($4)
       FROM (SELECT partition FROM log_lease WHERE topic = $1 AND worker_id = $2 AND partition = ANY ($3)
                AND (applied_through IS NULL OR applied_through < to_timestamp($4)) FOR UPDATE SKIP LOCKED) free
      WHERE l.topic = $1 AND l.partition = free.partition`,
    [topic, workerId, partitions, atMs / 1000],
  )
}
