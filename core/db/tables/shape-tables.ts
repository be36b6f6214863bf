import type { Time, TimeWithDefault } from './column-types.ts'

/** What was learned about events of each name, and what they have to look like. */
export interface ShapeTables {
  event_shape: EventShapeTable
  event_shape_path: EventShapePathTable
  event_schema: EventSchemaTable
  event_schema_violation: EventSchemaViolationTable
}

export interface EventShapeTable {
  tenant_id: number
  name: string
  events: number
  first_at: Time
  last_at: Time
}

export interface EventShapePathTable {
  tenant_id: number
  name: string
  path: string
  type: string
  events: number
  first_at: Time
  last_at: Time
  first_key: string | null
  first_sample: number
  last_sample: number
  hashes: number[]
}

export interface EventSchemaTable {
  tenant_id: number
  name: string
  version: number
  mode: 'observe' | 'dead-letter' | 'reject'
  document: string
  pinned_at: TimeWithDefault
  retired_at: Time | null
}

export interface EventSchemaViolationTable {
  tenant_id: number
  name: string
  version: number
  pointer: string
  detail: string
  events: number
  first_at: Time
  last_at: Time
  first_key: string | null
}
