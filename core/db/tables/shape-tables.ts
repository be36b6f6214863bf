import type { Time } from './column-types.ts'

/** What was learned about events of each name. */
export interface ShapeTables {
  event_shape: EventShapeTable
  event_shape_path: EventShapePathTable
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
