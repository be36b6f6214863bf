/** An event in its canonical form, the only form beyond the edge. */
export interface TrackedEvent {
  /** Chosen by the client and kept across its retries, so that a retry is deduplicated. */
  event_id: string
  /** 1–255 characters, NFC, trimmed. */
  name: string
  /** RFC 3339 in UTC, with at most six fractional digits. */
  occurred_at: string
  /** The client's own time, where occurred_at was corrected because the client's clock is wrong. */
  client_occurred_at?: string
  actor?: string
  session?: string
  source?: string
  value?: number
  properties: Record<string, unknown>
  context?: Record<string, unknown>
  schema_version?: string
}

/**
 * The names under which a client may send each field; the first one present is used. The plain
 * `name` comes last: in `{"event":"signup","name":"Ada"}` it is a property.
 * The four legacy formats are subsets of this table.
 */
export const SYNONYMS = {
  event_id: ['event_id', 'eventId'],
  name: ['event_name', 'eventName', 'event_type', 'eventType', 'event', 'name'],
  occurred_at: ['occurred_at', 'occurredAt', 'timestamp'],
  actor: ['actor', 'user_id', 'userId'],
  session: ['session', 'session_id', 'sessionId'],
  source: ['source'],
  value: ['value'],
  properties: ['properties', 'payload'],
  context: ['context', 'metadata'],
  schema_version: ['schema_version', 'schemaVersion'],
} as const satisfies Record<Exclude<keyof TrackedEvent, 'client_occurred_at'>, readonly string[]>
