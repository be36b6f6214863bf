import type { Generated } from 'kysely'
import type { Day, Time, TimeWithDefault } from './column-types.ts'

/** The tables of single events, as those of schema.ts. */
export interface EventTables {
  event: EventTable
  event_retention: EventRetentionTable
  event_day_drop: EventDayDropTable
  event_idempotency: EventIdempotencyTable
  event_duplicate: EventDuplicateTable
}

export interface EventTable {
  tenant_id: number
  event_id: string
  received_on: Day
  received_at: Time
  occurred_at: Time
  client_occurred_at: Time | null
  stored_at: TimeWithDefault
  name: string
  client_event_id: string | null
  actor: string | null
  session: string | null
  source: string | null
  value: number | null
  properties: Record<string, unknown>
  context: Record<string, unknown> | null
  schema_version: string | null
  key_id: string | null
  /** The id of the request where it is no UUID, and of all events that were stored before request_uuid. */
  request_id: string | null
  request_uuid: string | null
  log_partition: number
  log_offset: number
  trust_class: string | null
  enrichment: string | null
  /** As ARRIVALS; null: in time. */
  arrival: Generated<string> | null
}

export interface EventRetentionTable {
  only_row: Generated<boolean>
  retention_days: number
  dropped_through: Day | null
}

export interface EventDayDropTable {
  day: Day
  dropped_at: Time
  last_stored_at: Time | null
}

export interface EventIdempotencyTable {
  tenant_id: number
  received_on: Day
  key_hash: number
  event_ids: string[]
}

export interface EventDuplicateTable {
  tenant_id: number
  event_id: string
  received_on: Day
  received_at: Time
  processed_at: TimeWithDefault
  key_id: string | null
  request_id: string | null
  log_offset: number
  log_partition: number
  conflicting: boolean
}
