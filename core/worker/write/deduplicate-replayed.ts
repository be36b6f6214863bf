import type pg from 'pg'
import type { EventRow } from '../decode/decoded.ts'
import { type Repetition, splitConflicting } from './conflicts.ts'
import { type Copy, copyOf, eventKey } from './find-stored.ts'

/** Which dead letters became what, had their events been sent now. */
export interface DeduplicatedReplay {
  newRows: EventRow[]
  duplicates: EventRow[]
  conflicting: EventRow[]
}

/**
 * As `deduplicate`, for events of one tenant that were dead letters. Whoever corrected the event at its source has sent it
 * again, days later perhaps: an event that is stored on any day that is kept, before or after, is not stored a second time.
 * @param isExpired whether the event may only be a duplicate; it is in none of the results otherwise
 */
export async function deduplicateReplayed(
  client: pg.Client,
  rows: readonly EventRow[],
  isExpired: (row: EventRow) => boolean,
): Promise<DeduplicatedReplay> {
  const copies = await findAnywhere(client, rows)
  const newRows: EventRow[] = []
  const repetitions: Repetition[] = []
  for (const row of rows) {
    const copy = copies.get(eventKey(row))
    if (copy) repetitions.push({ row, copy })
    else if (!isExpired(row)) {
      newRows.push(row)
      copies.set(eventKey(row), copyOf(row))
    }
  }
  const { same, conflicting } = await splitConflicting(client, repetitions)
  return { newRows, duplicates: same, conflicting }
}

async function findAnywhere(
  client: pg.Client,
  rows: readonly EventRow[],
): Promise<Map<string, Copy>> {
  const [first] = rows
  if (!first) return new Map()
  const { rows: found } = await client.query<{ id: string; us: number }>(
    `SELECT event_id AS id, (extract(epoch FROM received_at) * 1000000)::float8 AS us
       FROM event WHERE tenant_id = $1 AND event_id = ANY ($2::uuid[])`,
    [first.tenantId, `{${rows.map(({ eventId }) => eventId).join(',')}}`],
  )
  return new Map(
    found.map(({ id, us }) => [
      eventKey({ tenantId: first.tenantId, eventId: id }),
      { receivedUs: us },
    ]),
  )
}
