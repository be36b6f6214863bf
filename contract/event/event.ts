/** One thing that happened, in the only form that travels beyond the edge. */
export interface TrackedEvent {
  /** Chosen by the client and kept across its retries: this is what makes a retry harmless. */
  event_id: string
  /** 1–255 characters, NFC, trimmed. */
  name: string
  /** RFC 3339 in UTC, at most six digits of a second. */
  occurred_at: string
  /** The client's own time, where occurred_at was put right because its clock is wrong. */
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
 * How the fields may be called by those who send them, the first that is there counts. The plain
 * `name` comes last: in `{"event":"signup","name":"Ada"}` it is a property.
 * The four classic envelopes are all subsets of this table.
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
