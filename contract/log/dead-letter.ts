import type { DeadReason } from './record.ts'

/**
 * The value of a record in events.dlq, as JSON, for external consumers. Postgres is authoritative; each dead letter is
 * published at least once, always under the same key: `<topic>:<partition>:<offset>` of its source record.
 */
export interface DeadLetterRecord {
  v: 1
  /** The same id as in Postgres, GraphQL and the command sluice. */
  id: number
  /** null where the record does not name an existing tenant. */
  tenant: string | null
  reason: DeadReason
  detail: string
  /** The same for dead letters with the same error. */
  fingerprint: string
  /** RFC 3339 in UTC */
  received_at: string
  dead_at: string
  request_id: string | null
  route: string | null
  client: string | null
  source: { topic: string; partition: number; offset: number }
  /** The original body, in base64 where it is not valid UTF-8; absent where the record would exceed the log's limit. */
  original?: string
  base64?: true
}
