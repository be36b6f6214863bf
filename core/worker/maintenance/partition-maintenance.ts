import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { createDayPartitions, DAY_MS } from '../../db/day-partitions.ts'
import { createDatabaseClock, type ExecuteQuery } from '../consume/connection.ts'
import { type PruneResult, prune } from './prune.ts'
import { reconcileTotals } from './reconcile-totals.ts'

/** What one run changed. */
export interface MaintenanceResult extends PruneResult {
  /** Names of day tables. */
  created: string[]
  dropped: string[]
  keyUseDeleted: number
  /** Tenants whose total differed from the sum of their minutes. */
  totalsReconciled: number
}

/**
 * Maintains the day partitions of `event` and the tables that are kept for a limited time. A day is dropped when it is older than the
 * retention; rollups live on, keys' use for a while.
 */
export interface PartitionMaintenance {
  /** Creates the coming days' partitions and drops the expired ones. Called at start and every hour. */
  run(): Promise<MaintenanceResult>
  /** Resolves when the day that each of these rows was received on has its partition. */
  ensure(rows: readonly { receivedDay: number }[]): Promise<void>
  /** After a write that failed: another worker may have dropped a day. */
  forget(): void
}

export interface PartitionMaintenanceDeps {
  pool: pg.Pool
  retentionDays?: number
}

export function createPartitionMaintenance(deps: PartitionMaintenanceDeps): PartitionMaintenance {
  const { pool, retentionDays = LIMITS.rawRetentionDaysDefault } = deps
  const execute: ExecuteQuery = (sql, values) => pool.query(sql, values)
  // Postgres' clock: if the machine's clock were fast, every day would look too old.
  let now = Date.now
  const days = createDayPartitions({
    pool,
    table: 'event',
    storage: 'autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.05',
    now: () => now(),
  })

  async function deleteKeyUse(): Promise<number> {
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
    async run() {
      now = await createDatabaseClock(execute)
      const oldest = Math.floor(now() / DAY_MS) - retentionDays
      return {
        created: await days.createAhead(),
        dropped: await days.drop((day) => day < oldest),
        keyUseDeleted: await deleteKeyUse(),
        ...(await prune({ pool, retentionDays, now })),
        totalsReconciled: await reconcileTotals(pool),
      }
    },
  }
}
