import { type RawBuilder, sql } from 'kysely'
import { TOPICS } from '../../../../contract/log/topics.ts'
import type { Database } from '../../../db/database.ts'
import type { TenantViewer } from '../../../identity/viewer.ts'
import type { Instant } from '../../instant.ts'

/** Of each kind that a receipt lists. */
export const REPETITIONS_MAX = 20

/** An event that came again. */
export interface Repetition {
  /** In Postgres. */
  key: string
  receivedAt: Instant
  processedAt: Instant
  requestId: string | null
  keyId: string | null
  partition: number
  offset: string
  /** Its content differs from that of the stored event. */
  conflicting: boolean
}

/** A dead letter, without its content. */
export interface DeadReceipt {
  id: string
  /** Of the event in Postgres; null where the record names none. */
  key: string | null
  /** A code of docs/errors.md. */
  reason: string
  state: 'open' | 'replayed' | 'discarded'
  receivedAt: Instant
  deadAt: Instant
  /** The ingest format. */
  format: string | null
  requestId: string | null
  partition: number
  offset: string
}

/**
 * Oldest first; one more than REPETITIONS_MAX where there are more. Partitions are months, so all of them are looked up.
 * @param keys of events in Postgres
 */
export async function findDuplicates(
  db: Database,
  { tenantId }: TenantViewer,
  keys: readonly string[],
): Promise<Repetition[]> {
  const { rows } = await sql<Repetition>`
    SELECT event_id AS key, received_at AS "receivedAt", processed_at AS "processedAt", request_id AS "requestId",
           key_id AS "keyId", log_partition AS partition, log_offset::text AS offset, conflicting
      FROM event_duplicate WHERE tenant_id = ${tenantId} AND event_id = ANY (${keys}::uuid[])
     ORDER BY received_at, log_partition, log_offset LIMIT ${REPETITIONS_MAX + 1}`.execute(db)
  return rows
}

/** Newest first, at most REPETITIONS_MAX. */
export function findDeadLetters(
  db: Database,
  viewer: TenantViewer,
  keys: readonly string[],
): Promise<DeadReceipt[]> {
  return readDeadLetters(db, viewer, sql`event_id = ANY (${keys}::uuid[])`)
}

/** @param condition on `dead_letter`; it has to find few rows by an index */
export async function readDeadLetters(
  db: Database,
  { tenantId }: TenantViewer,
  condition: RawBuilder<unknown>,
): Promise<DeadReceipt[]> {
  const { rows } = await sql<DeadReceipt>`
    SELECT dead_letter_id::text AS id, event_id AS key, reason, state, received_at AS "receivedAt", dead_at AS "deadAt",
           route AS format, request_id AS "requestId", partition, log_offset::text AS offset
      FROM dead_letter
     WHERE tenant_id = ${tenantId} AND ${condition} AND topic = ${TOPICS.raw.name}
     ORDER BY received_at DESC, dead_letter_id DESC LIMIT ${REPETITIONS_MAX}`.execute(db)
  return rows
}
