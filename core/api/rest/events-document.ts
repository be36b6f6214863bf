import type { StoredEvent } from '../../queries/sql/event-row.ts'

/** An event as GraphQL returns it. */
export type EventNode = Omit<StoredEvent, 'trust' | 'eventId'> & { trustClass: string }

export const EVENT_FIELDS = `id name occurredAt clientOccurredAt receivedAt storedAt actor session source value properties
  context enrichment schemaVersion requestId trustClass partition offset`

export const EVENTS_DOCUMENT = `query RestEvents($tenant: ID, $name: String, $startTime: DateTime, $endTime: DateTime,
  $filter: [DimensionFilter!], $requestId: String, $idempotencyKey: String, $first: Int, $after: String, $last: Int, $before: String) {
  events(tenant: $tenant, name: $name, startTime: $startTime, endTime: $endTime, filter: $filter, requestId: $requestId,
    idempotencyKey: $idempotencyKey, first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { ${EVENT_FIELDS} } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`

export const EVENT_DOCUMENT = `query RestEvent($tenant: ID, $id: ID!) { event(tenant: $tenant, id: $id) { ${EVENT_FIELDS} } }`

export interface EventList {
  events: {
    edges: { cursor: string; node: EventNode }[]
    pageInfo: {
      hasNextPage: boolean
      hasPreviousPage: boolean
      startCursor: string | null
      endCursor: string | null
    }
  }
}

export function toRestEvent(node: EventNode) {
  return {
    id: node.id,
    name: node.name,
    occurred_at: node.occurredAt,
    client_occurred_at: node.clientOccurredAt,
    received_at: node.receivedAt,
    stored_at: node.storedAt,
    actor: node.actor,
    session: node.session,
    source: node.source,
    value: node.value,
    properties: node.properties,
    context: node.context,
    enrichment: node.enrichment,
    schema_version: node.schemaVersion,
    request_id: node.requestId,
    trust_class: node.trustClass.toLowerCase(),
    partition: node.partition,
    offset: node.offset,
  }
}
