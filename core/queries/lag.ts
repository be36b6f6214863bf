import { TOPICS } from '../../contract/log/topics.ts'
import type { Database } from '../db/database.ts'
import type { Log } from '../log/log.ts'

/** How far the workers are behind the log, partition by partition. */
export interface LagReport {
  partitions: PartitionProgress[]
  /** Records applied since the log began, and those that wait; all partitions together. */
  applied: number
  lag: number
  /** Where events are missing from the log, and nobody has decided yet. */
  gaps: OffsetGap[]
}

export interface PartitionProgress {
  partition: number
  /** The first offset that is not applied yet. */
  position: number
  /** The offset that the next record will get. */
  end: number
  lag: number
  /** Who reads it; null where nobody does. */
  worker: string | null
}

export interface OffsetGap {
  partition: number
  /** Where reading should go on, and the nearest offset that the log has. */
  expected: number
  available: number
  /** RFC 3339 */
  seenAt: string
}

/** @throws whatever Postgres or the log met, within the log's deadline */
export async function readLag(db: Database, log: Pick<Log, 'offsets'>): Promise<LagReport> {
  const topic = TOPICS.raw.name
  // Positions first: the log only grows meanwhile, so a lag is never below zero.
  const [positions, gaps] = await Promise.all([
    db
      .selectFrom('log_position as p')
      .leftJoin('log_lease as l', (join) =>
        join.onRef('l.topic', '=', 'p.topic').onRef('l.partition', '=', 'p.partition'),
      )
      .select(['p.partition', 'p.next_offset as position', 'l.worker_id as worker'])
      .where('p.topic', '=', topic)
      .execute(),
    db
      .selectFrom('offset_gap')
      .select(['partition', 'expected', 'available', 'seen_at as seenAt'])
      .where('topic', '=', topic)
      .where('skipped_at', 'is', null)
      .orderBy('partition')
      .execute(),
  ])
  const found = new Map(positions.map((row) => [row.partition, row]))
  const partitions = (await log.offsets(topic)).map(
    ({ partition, lastStableOffset }): PartitionProgress => {
      const { position = 0, worker = null } = found.get(partition) ?? {}
      // A log that was made anew may end before the position: that is a gap, and no negative lag.
      return {
        partition,
        position,
        end: lastStableOffset,
        lag: Math.max(0, lastStableOffset - position),
        worker,
      }
    },
  )
  return {
    partitions,
    applied: partitions.reduce((sum, { position }) => sum + position, 0),
    lag: partitions.reduce((sum, { lag }) => sum + lag, 0),
    gaps,
  }
}

/** Batches that the workers which live have written, and how long they took, since each of them started. */
export async function readBatches(
  db: Database,
): Promise<Map<string, { batches: number; ms: number }>> {
  const rows = await db
    .selectFrom('worker_heartbeat')
    .select(['worker_id', 'batches', 'batch_ms'])
    .execute()
  return new Map(rows.map((row) => [row.worker_id, { batches: row.batches, ms: row.batch_ms }]))
}
