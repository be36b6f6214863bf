import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { isoDay } from '../../db/day-partitions.ts'
import type { EventRow } from '../decode/decoded.ts'
import { groupByDay } from './copy-rows.ts'

export interface Deduplicated {
  /** Rows whose key is stored nowhere yet. */
  newRows: EventRow[]
  /** Rows whose key is stored already, or came before in the same batch: the first one wins. */
  duplicates: EventRow[]
  /** The new rows in COPY format, where they are all of one day and no look-up found a duplicate. */
  encoded: Buffer | undefined
}

/**
 * Splits a batch's events into new ones and duplicates. While Postgres looks them up, all rows are encoded:
 * most batches hold no duplicate, and then that is the COPY.
 */
export async function deduplicate(
  client: pg.Client,
  encode: (rows: readonly EventRow[]) => Buffer,
  rows: readonly EventRow[],
): Promise<Deduplicated> {
  const { first, repeated: duplicates } = splitRepeated(rows)
  const days = groupByDay(first)
  const newRows: EventRow[] = []
  let encoded: Buffer | undefined
  for (const [day, ofDay] of days) {
    const lookUp = findStored(client, day, ofDay)
    const early = Promise.resolve().then(() => (days.size === 1 ? encode(ofDay) : undefined))
    const [stored, bytes] = await Promise.all([lookUp, early])
    if (stored.size === 0) encoded = bytes
    for (const row of ofDay)
      (stored.size > 0 && stored.has(eventKey(row.tenantId, row.eventId))
        ? duplicates
        : newRows
      ).push(row)
  }
  return { newRows, duplicates, encoded }
}

function splitRepeated(rows: readonly EventRow[]): { first: EventRow[]; repeated: EventRow[] } {
  const first: EventRow[] = []
  const repeated: EventRow[] = []
  const seen = new Set<string>()
  for (const row of rows) {
    const key = eventKey(row.tenantId, row.eventId)
    if (seen.has(key)) repeated.push(row)
    else {
      seen.add(key)
      first.push(row)
    }
  }
  return { first, repeated }
}

/**
 * Keys of these rows that were received within the dedupe horizon of their day: one descent of the primary
 * key for each row and day. Planned again each time (no name): a plan made while the day was empty takes
 * whichever index comes first, and would be kept when the day has a million rows. And each day is a branch
 * with all three columns of the key, because only then the planner knows it to be one row at most.
 */
async function findStored(
  client: pg.Client,
  day: number,
  rows: readonly EventRow[],
): Promise<Set<string>> {
  const days: string[] = []
  for (let d = day - LIMITS.dedupeDays + 1; d < day + LIMITS.dedupeDays; d++)
    days.push(
      `SELECT FROM event x WHERE x.tenant_id = s.tenant AND x.event_id = s.id AND x.received_on = DATE '${isoDay(d)}'`,
    )
  const { rows: found } = await client.query<{ tenant: number; id: string }>(
    `SELECT s.tenant, s.id FROM unnest($1::int[], $2::uuid[]) AS s (tenant, id)
      CROSS JOIN LATERAL (${days.join(' UNION ALL ')}) x`,
    // Written as array literals: pg would quote and escape each of ten thousand elements.
    [
      `{${rows.map((row) => row.tenantId).join(',')}}`,
      `{${rows.map((row) => row.eventId).join(',')}}`,
    ],
  )
  return new Set(found.map((row) => eventKey(row.tenant, row.id)))
}

function eventKey(tenantId: number, eventId: string): string {
  return `${tenantId} ${eventId}`
}
