import type { Generated, GeneratedAlways } from 'kysely'
import type { Day, Time, TimeWithDefault } from './column-types.ts'

/** The tables of declared metrics. */
export interface MetricTables {
  metric_definition: MetricDefinitionTable
  metric_series: MetricSeriesTable
  metric_rollup_15m: MetricRollup15mTable
  metric_backfill: MetricBackfillTable
}

export interface MetricDefinitionTable {
  metric_id: GeneratedAlways<number>
  tenant_id: number
  name: string
  version: number
  events: string[] | null
  filters: Record<string, unknown>
  value_path: string
  dimensions: string[]
  activated_at: Time
  offsets: Record<string, unknown>
  complete_since: Time | null
  retired_at: Time | null
}

export interface MetricSeriesTable {
  series_id: GeneratedAlways<number>
  tenant_id: number
  metric_id: number
  dims_hash: Buffer
  dims: (string | null)[] | null
  created_at: TimeWithDefault
  last_used_on: Day
  retired_on: Day | null
}

export interface MetricRollup15mTable {
  tenant_id: number
  series_id: number
  bucket: Time
  backfilled: boolean
  count: number
  value_count: number
  sum: number
  min: number | null
  max: number | null
  late_count: number
  revised_at: Time | null
}

export interface MetricBackfillTable {
  metric_id: number
  tenant_id: number
  day: Day
  done_through: Time
  events: Generated<number>
  completed_at: Time | null
  first_part_at: Time | null
}
