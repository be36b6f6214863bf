import type { Generated } from 'kysely'
import type { Time, TimeWithDefault } from './column-types.ts'

/** The tables of hours and days of rollups, as those of schema.ts. */
export interface LongRollupTables {
  rollup_long: RollupLongTable
  rollup_long_progress: RollupLongProgressTable
  rollup_long_revision: RollupLongRevisionTable
}

export interface RollupLongTable {
  tenant_id: number
  metric_id: number
  series_id: number
  minutes: number
  bucket: Time
  count: number
  value_count: number
  sum: number
  min: number | null
  max: number | null
  late_count: number
  revised_at: Time | null
}

export interface RollupLongProgressTable {
  tenant_id: number
  metric_id: number
  derived_through: Time
}

export interface RollupLongRevisionTable {
  only_row: Generated<boolean>
  checked_to: TimeWithDefault
  pending_xid: string | null
  pending_at: Time | null
}
