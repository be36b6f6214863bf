import { TOPICS } from '../../../contract/log/topics.ts'
import type { Database } from '../../db/database.ts'
import type { Log } from '../../log/log.ts'

/** How far the workers are behind the log, by partition. */
export interface LagReport {
  partitions: PartitionProgress[]
  /** Records applied since the log began, and records that wait, in all partitions together. */
  applied: number
  lag: number
  /** Where records are missing from the log and no operator has skipped them yet. */
  gaps: OffsetGap[]
  /** Set where the offsets belong to another log than this one: no worker reads it until an operator decides. */
  otherLog: OtherLog | null
}

/** Identities of logs (core/log/log.ts): that of the stored offsets, and that of the log which is configured. */
export interface OtherLog {
  recorded: string
  found: string
}

export interface PartitionProgress {
  partition: number
  /** The first offset that is not applied yet. */
  position: number
  /** The offset that the next record will get. */
  end: number
  lag: number
  /** The worker that consumes it; null without one. */
  worker: string | null
}

export interface OffsetGap {
  partition: number
  /** The next offset to read, and the nearest one that the log holds. */
  expected: number
  available: number
  /** RFC 3339 */
  seenAt: string
}

/**
 * All tenants share the log, so it takes no viewer.
 * @throws the error of Postgres or of the log, within the log's deadline
 */
export async function readLag(
  db: Database,
  log: Pick<Log, 'offsets' | 'identity'>,
): Promise<LagReport> {
  const topic = TOPICS.raw.name
  // Positions first: the log only grows meanwhile, so a lag is never below zero.
  const [positions, gaps] = await Promise.all([
    db
      .selectFrom('log_position as p')
      .leftJoin('log_lease as l', (join) =>
        join.onRef('l.topic', '=', 'p.topic').onRef('l.partition', '=', 'p.partition'),
      )
      .select([
        'p.partition',
        'p.next_offset as position',
        'l.worker_id as worker',
        'p.log_identity as identity',
      ])
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
  const identity = await log.identity(topic)
  const other = positions.find((row) => row.identity !== null && row.identity !== identity)
  const found = new Map(positions.map((row) => [row.partition, row]))
  const partitions = (await log.offsets(topic)).map(
    ({ partition, lastStableOffset }): PartitionProgress => {
      const { position = 0, worker = null } = found.get(partition) ?? {}
      // A log that was recreated may end before the position: that is an offset gap, not a negative lag.
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
    otherLog: other ? { recorded: other.identity as string, found: identity } : null,
  }
}
