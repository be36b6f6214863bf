import type { Generated } from 'kysely'
import type { Time, TimeWithDefault } from './column-types.ts'

/** The tables of sketches, as those of schema.ts. */
export interface SketchTables {
  sketch: SketchTable
  sketch_progress: SketchProgressTable
  sketch_revision: SketchRevisionTable
}

export interface SketchTable {
  tenant_id: number
  series_id: number
  minutes: number
  bucket: Time
  count: number
  rollup_count: number | null
  late_count: number
  revised_at: Time | null
  actors: Buffer | null
  quantiles: Buffer | null
}

export interface SketchProgressTable {
  tenant_id: number
  derived_through: Time
  incomplete_before: Time | null
}

export interface SketchRevisionTable {
  only_row: Generated<boolean>
  checked_to: TimeWithDefault
  pending_xid: string | null
  pending_at: Time | null
}
