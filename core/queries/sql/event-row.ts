import type { Selectable } from 'kysely'
import type { TrustClass } from '../../../contract/event/trust-class.ts'
import type { EventTable } from '../../db/tables/event-tables.ts'
import { decodeEnrichment, type Enrichment } from '../../metrics/enrichment.ts'
import type { Instant } from '../instant.ts'

/** An event as its sender knows it, with its partition and offset in the log. */
export interface StoredEvent {
  id: string
  name: string
  occurredAt: Instant
  clientOccurredAt: Instant | null
  receivedAt: Instant
  storedAt: Instant
  actor: string | null
  session: string | null
  source: string | null
  value: number | null
  properties: Record<string, unknown>
  context: Record<string, unknown> | null
  schemaVersion: string | null
  /** What was derived from it; null where nothing was. */
  enrichment: EventEnrichment | null
  requestId: string | null
  /** With a public key, or by a server. */
  trust: TrustClass
  partition: number
  offset: string
  /** Its key in Postgres, which cursors name. */
  eventId: string
}

export interface EventEnrichment extends Omit<Enrichment, 'is_bot'> {
  is_bot?: boolean
  /** When it was stored, by Postgres' clock. */
  processed_at: Instant
}

export const EVENT_COLUMNS = [
  'event_id',
  'client_event_id',
  'name',
  'occurred_at',
  'client_occurred_at',
  'received_at',
  'stored_at',
  'actor',
  'session',
  'source',
  'value',
  'properties',
  'context',
  'schema_version',
  'request_id',
  'request_uuid',
  'log_partition',
  'log_offset',
  'trust_class',
  'enrichment',
] as const satisfies (keyof EventTable)[]

export type EventRow = Pick<Selectable<EventTable>, (typeof EVENT_COLUMNS)[number]>

export function toEvent(row: EventRow): StoredEvent {
  return {
    id: row.client_event_id ?? row.event_id,
    name: row.name,
    occurredAt: row.occurred_at,
    clientOccurredAt: row.client_occurred_at,
    receivedAt: row.received_at,
    storedAt: row.stored_at,
    actor: row.actor,
    session: row.session,
    source: row.source,
    value: row.value,
    properties: row.properties,
    context: row.context,
    schemaVersion: row.schema_version,
    enrichment: toEnrichment(row),
    requestId: row.request_uuid ?? row.request_id,
    trust: row.trust_class === 'public' ? 'public' : 'server',
    partition: row.log_partition,
    offset: String(row.log_offset),
    eventId: row.event_id,
  }
}

function toEnrichment({ enrichment, stored_at }: EventRow): EventEnrichment | null {
  const decoded = decodeEnrichment(enrichment)
  if (decoded === undefined) return null
  const { is_bot, ...fields } = decoded
  return {
    ...fields,
    ...(is_bot !== undefined && { is_bot: is_bot === 'true' }),
    processed_at: stored_at,
  }
}
