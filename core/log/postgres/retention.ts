import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { dayTable } from '../../db/day-partitions.ts'
import { partitionsOf } from '../../db/tables/partitioned-tables.ts'

/** Days of `log_chunk`, by Postgres' clock. Any number of processes may maintain them concurrently. */
export interface LogRetention {
  /** Creates the coming days' tables: an append must never find its day missing. */
  createAhead(): Promise<string[]>
  /** Drops the expired days, oldest first. Run at start and every hour. */
  drop(): Promise<string[]>
}

export interface LogRetentionDeps {
  pool: pg.Pool
  retentionDays?: number
}

/**
 * A day is dropped when it is older than the retention AND every reader with a stored position has read past
 * every record in it: a worker that was away for a week finds all that it has not read. A topic without stored
 * positions is dropped by age alone.
 */
export function createLogRetention(deps: LogRetentionDeps): LogRetention {
  const { pool, retentionDays = LIMITS.logRetentionDaysDefault } = deps
  const days = partitionsOf(pool, 'log_chunk')
  return {
    createAhead: () => days.createAhead(),
    drop() {
      return days.drop(
        async (day, today, client) =>
          day < today - retentionDays && !(await hasUnread(client, day)),
      )
    },
  }
}

/** Looks at the last chunk of each partition, which the primary key finds. */
async function hasUnread(client: pg.PoolClient, day: number): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT FROM log_position p, LATERAL (
       SELECT base_offset + record_count AS next_offset FROM ${dayTable('log_chunk', day)} c
        WHERE c.topic = p.topic AND c.partition = p.partition ORDER BY base_offset DESC LIMIT 1) c
      WHERE c.next_offset > p.next_offset LIMIT 1`,
  )
  return rowCount !== 0
}
