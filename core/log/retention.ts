import type pg from 'pg'
import { LIMITS } from '../../contract/limits.ts'
import { createDayPartitions, DAY_MS, dayTable } from '../db/day-partitions.ts'

/** Days of `log_chunk`. */
export interface LogRetention {
  /** Makes the coming days' partitions and drops the expired ones. Run at start and every hour. */
  keep(): Promise<{ made: string[]; dropped: string[] }>
}

export interface LogRetentionDeps {
  pool: pg.Pool
  retentionDays?: number
  now?: () => number
}

/**
 * A day is dropped when it is older than the retention AND whoever keeps a position has read past
 * every record in it: a worker that was away for a week finds all that it has not read.
 */
export function createLogRetention(deps: LogRetentionDeps): LogRetention {
  const { pool, retentionDays = LIMITS.logRetentionDaysDefault, now = Date.now } = deps
  const days = createDayPartitions({ pool, table: 'log_chunk', now })
  return {
    async keep() {
      const oldest = Math.floor(now() / DAY_MS) - retentionDays
      return {
        made: await days.makeAhead(),
        dropped: await days.drop(
          async (day, client) => day < oldest && !(await unread(client, day)),
        ),
      }
    },
  }
}

async function unread(client: pg.PoolClient, day: number): Promise<boolean> {
  const { rowCount } = await client.query(
    `SELECT 1 FROM ${dayTable('log_chunk', day)} c JOIN log_position p USING (topic, partition)
      WHERE c.base_offset + c.record_count > p.next_offset LIMIT 1`,
  )
  return rowCount !== 0
}
