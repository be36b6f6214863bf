import type pg from 'pg'
import { LIMITS } from '../../../contract/limits.ts'
import { DAY_MS, isoDay } from '../../db/day-partitions.ts'
import type { EventRow } from '../decode/decoded.ts'
import { groupByDay } from './copy-rows.ts'

/** An event that is stored, or will be with this batch. */
export interface Copy {
  /** When it was received, in microseconds since 1970. */
  receivedUs: number
  /** Of this batch; a copy without it is stored already. */
  row?: EventRow
}

/** Tenant and id, as a text to look up. */
export type EventKey = string

export function eventKey({ tenantId, eventId }: { tenantId: number; eventId: string }): EventKey {
  return `${tenantId} ${eventId}`
}

const HORIZON_US = LIMITS.dedupeDays * DAY_MS * 1000

/** The copy that a row repeats: one that was received within the dedupe horizon of it, before or after. */
export function findCopy(copies: readonly Copy[] | undefined, row: EventRow): Copy | undefined {
  if (copies === undefined) return undefined
  const receivedUs = receivedUsOf(row)
  return copies.find((copy) => Math.abs(copy.receivedUs - receivedUs) <= HORIZON_US)
}

export function copyOf(row: EventRow): Copy {
  return { receivedUs: receivedUsOf(row), row }
}

function receivedUsOf({ received }: EventRow): number {
  return received.ms * 1000 + received.us
}

export type CopiesByKey = ReadonlyMap<EventKey, Copy[]>

/** Copies of these rows, all with different keys, that are stored on days within the dedupe horizon of theirs. */
export async function findStored(
  client: pg.Client,
  rows: readonly EventRow[],
): Promise<CopiesByKey> {
  const copies = new Map<EventKey, Copy[]>()
  for (const [day, ofDay] of groupByDay(rows))
    for (const { tenant, id, us } of await findAround(client, day, ofDay)) {
      const key = eventKey({ tenantId: tenant, eventId: id })
      const others = copies.get(key)
      if (others) others.push({ receivedUs: us })
      else copies.set(key, [{ receivedUs: us }])
    }
  return copies
}

/**
 * One descent of the primary key for each row and day. Planned again each time (no name): a plan made while the day
 * was empty takes whichever index comes first, and would be kept when the day has a million rows. And each day is a
 * branch with all three columns of the key, because only then the planner knows it to be one row at most.
 */
async function findAround(client: pg.Client, day: number, rows: readonly EventRow[]) {
  const days: string[] = []
  for (let d = day - LIMITS.dedupeDays; d <= day + LIMITS.dedupeDays; d++)
    days.push(
      `SELECT x.received_at FROM event x WHERE x.tenant_id = s.tenant AND x.event_id = s.id AND x.received_on = DATE '${isoDay(d)}'`,
    )
  const { rows: found } = await client.query<{ tenant: number; id: string; us: number }>(
    `SELECT s.tenant, s.id, (extract(epoch FROM x.received_at) * 1000000)::float8 AS us
       FROM unnest($1::int[], $2::uuid[]) AS s (tenant, id)
      CROSS JOIN LATERAL (${days.join(' UNION ALL ')}) x`,
    // Written as array literals: pg would quote and escape each of ten thousand elements.
    [
      `{${rows.map((row) => row.tenantId).join(',')}}`,
      `{${rows.map((row) => row.eventId).join(',')}}`,
    ],
  )
  return found
}
