/** Of the field `receipt`. */
export const RECEIPT_FIELDS = `eventId outcome trustClass processedAt hasMoreDuplicates
  accepted { at requestId keyId keyName partition offset }
  stored { day countedBy { metric kind version bucket } }
  duplicates { receivedAt processedAt requestId keyId partition offset conflicting }
  deadLetters { id reason state receivedAt deadAt format requestId partition offset }
  removed { day droppedAt }
  notFound { reason since recordsInFlight inFlightSince }`

interface LogPosition {
  partition: number
  offset: string
}

/** A receipt as GraphQL returns it. */
export interface ReceiptNode {
  eventId: string | null
  outcome: string
  trustClass: string | null
  processedAt: string | null
  accepted:
    | ({
        at: string
        requestId: string | null
        keyId: string | null
        keyName: string | null
      } & LogPosition)
    | null
  stored: {
    day: string
    countedBy: { metric: string; kind: string; version: number; bucket: string }[]
  } | null
  duplicates: ({
    receivedAt: string
    processedAt: string
    requestId: string | null
    keyId: string | null
    conflicting: boolean
  } & LogPosition)[]
  hasMoreDuplicates: boolean
  deadLetters: ({
    id: string
    reason: string
    state: string
    receivedAt: string
    deadAt: string
    format: string | null
    requestId: string | null
  } & LogPosition)[]
  removed: { day: string; droppedAt: string } | null
  notFound: {
    reason: string
    since: string
    recordsInFlight: number
    inFlightSince: string | null
  } | null
}

export function toRestReceipt(node: ReceiptNode) {
  const { accepted, stored, removed } = node
  return {
    event_id: node.eventId,
    outcome: node.outcome.toLowerCase(),
    trust_class: node.trustClass?.toLowerCase() ?? null,
    accepted: accepted && {
      at: accepted.at,
      request_id: accepted.requestId,
      key_id: accepted.keyId,
      key_name: accepted.keyName,
      partition: accepted.partition,
      offset: accepted.offset,
    },
    processed_at: node.processedAt,
    stored: stored && { day: stored.day, counted_by: stored.countedBy },
    duplicates: node.duplicates.map((duplicate) => ({
      received_at: duplicate.receivedAt,
      processed_at: duplicate.processedAt,
      request_id: duplicate.requestId,
      key_id: duplicate.keyId,
      partition: duplicate.partition,
      offset: duplicate.offset,
      conflicting: duplicate.conflicting,
    })),
    has_more_duplicates: node.hasMoreDuplicates,
    dead_letters: node.deadLetters.map((dead) => ({
      id: dead.id,
      reason: dead.reason,
      state: dead.state,
      received_at: dead.receivedAt,
      dead_at: dead.deadAt,
      format: dead.format,
      request_id: dead.requestId,
      partition: dead.partition,
      offset: dead.offset,
    })),
    removed: removed && { day: removed.day, dropped_at: removed.droppedAt },
  }
}
