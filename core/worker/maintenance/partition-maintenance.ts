import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { createDayPartitions, DAY_MS } from '../../db/day-partitions.ts'
import { type Ask, clockOf } from '../consume/connection.ts'
import { type Pruned, prune } from './prune.ts'
import { reconcileTotals } from './reconcile-totals.ts'

/** What was done this time. */
export interface Kept extends Pruned {
  made: string[]
  dropped: string[]
  keyUseForgotten: number
  totalsMended: number
}

/** Days of `event`. A day is dropped when it is older than the retention; rollups live on, keys' use for a while. */
export interface PartitionKeeper {
  /** Makes the coming days' partitions and drops the expired ones. Run at start and every hour. */
  keep(): Promise<Kept>
  /** Resolves when the day that each of these rows was received on has its partition. */
  ensure(rows: readonly { receivedDay: number }[]): Promise<void>
  /** After a write that failed: another worker may have dropped a day. */
  forget(): void
}

export interface PartitionKeeperDeps {
  pool: pg.Pool
  retentionDays?: number
}

export function createPartitionKeeper(deps: PartitionKeeperDeps): PartitionKeeper {
  const { pool, retentionDays = LIMITS.rawRetentionDaysDefault } = deps
  const ask: Ask = (sql, values) => pool.query(sql, values)
  // Postgres' clock: by a fast one of our own every day that there is would be too old.
  let now = Date.now
  const days = createDayPartitions({
    pool,
    table: 'event',
    storage: 'autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.05',
    now: () => now(),
  })

  async function forgetKeyUse(): Promise<number> {
    const oldest = new Date(now() - LIMITS.keyUseDays * DAY_MS).toISOString()
    const { rowCount } = await pool.query('DELETE FROM key_use_hour WHERE hour < $1', [oldest])
    return rowCount ?? 0
  }

  return {
    async ensure(rows) {
      const wanted = new Set<number>()
      for (const { receivedDay } of rows) wanted.add(receivedDay)
      await days.ensure([...wanted])
    },
    forget: () => days.forget(),
    async keep() {
      now = await clockOf(ask)
      const oldest = Math.floor(now() / DAY_MS) - retentionDays
      return {
        made: await days.createAhead(),
        dropped: await days.drop((day) => day < oldest),
        keyUseForgotten: await forgetKeyUse(),
        ...(await prune({ pool, retentionDays, now })),
        totalsMended: await reconcileTotals(pool),
      }
    },
  }
}
