import type { DeadReason } from './record.ts'

/**
 * The value of a record in events.dlq, as JSON, for whoever listens there. Postgres has the truth; here each dead letter
 * comes at least once, always with the same key: `<topic>:<partition>:<offset>` of the record that it came from.
 */
export interface DeadLetterRecord {
  v: 1
  /** As in Postgres, GraphQL and "npx sluice". */
  id: number
  /** null where the record named no tenant that exists. */
  tenant: string | null
  reason: DeadReason
  detail: string
  /** The same for letters with the same fault. */
  fingerprint: string
  /** RFC 3339 in UTC */
  received_at: string
  dead_at: string
  request_id: string | null
  route: string | null
  client: string | null
  source: { topic: string; partition: number; offset: number }
  /** What was sent, in base64 where it is no UTF-8; left out where the record would be larger than the log takes. */
  original?: string
  base64?: true
}
