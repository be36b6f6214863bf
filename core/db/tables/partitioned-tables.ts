import type pg from 'pg'
import {
  createPartitions,
  DAYS,
  MONTHS,
  type Partitions,
  type PartitionsDeps,
} from '../partitions.ts'

/**
 * Rows that are updated in place find room on their page, so that no index is touched. A batch of thousands of tenants
 * updates most rows of the current minute, and a tenth of those of a bucket (bench/README.md).
 */
const FILL = { outcomes: 'fillfactor = 70', rollups: 'fillfactor = 85' }

/** Every table by time, and how its partitions are made. */
export const PARTITIONED_TABLES = {
  event: {
    unit: DAYS,
    isCompact: true,
    storage: 'autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.05',
  },
  event_duplicate: { unit: MONTHS },
  event_idempotency: { unit: DAYS },
  log_chunk: { unit: DAYS },
  log_count_minute: { unit: DAYS },
  outcome_minute: { unit: DAYS, storage: FILL.outcomes },
  rollup_15m: { unit: MONTHS, storage: FILL.rollups },
  metric_rollup_15m: { unit: MONTHS, storage: FILL.rollups },
  sketch: { unit: MONTHS },
} as const satisfies Record<string, Omit<PartitionsDeps, 'pool' | 'table'>>

export type PartitionedTable = keyof typeof PARTITIONED_TABLES

export function partitionsOf(pool: pg.Pool, table: PartitionedTable): Partitions {
  return createPartitions({ pool, table, ...PARTITIONED_TABLES[table] })
}
