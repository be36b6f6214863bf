import type pg from 'pg'
import { isoDay } from '../../../db/day-partitions.ts'
import type { EventRow } from '../../decode/decoded.ts'

/**
 * Stores which of the rows came with an Idempotency-Key: a row for each key and day, whatever the number of its events.
 * A batch without keys executes nothing.
 */
export async function insertIdempotencyKeys(
  client: pg.Client,
  rows: readonly EventRow[],
): Promise<void> {
  const keyed = rows.filter((row) => row.idempotency !== undefined)
  if (keyed.length === 0) return
  await client.query(
    `INSERT INTO event_idempotency (tenant_id, received_on, key_hash, event_ids)
     SELECT tenant_id, received_on, key_hash, array_agg(event_id)
       FROM unnest($1::int[], $2::date[], $3::bigint[], $4::uuid[]) AS k (tenant_id, received_on, key_hash, event_id)
      GROUP BY 1, 2, 3`,
    [
      keyed.map(({ tenantId }) => tenantId),
      keyed.map(({ receivedDay }) => isoDay(receivedDay)),
      keyed.map(({ idempotency }) => String(idempotency)),
      keyed.map(({ eventId }) => eventId),
    ],
  )
}
