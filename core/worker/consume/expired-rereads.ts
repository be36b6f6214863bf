import { LIMITS } from '../../../contract/limits.ts'
import { isoDay } from '../../db/day-partitions.ts'
import { readRetention } from '../../db/event-retention.ts'
import { UNSTAMPED } from '../decode/dead-stamp.ts'
import type { Decoded, EventRow } from '../decode/decoded.ts'
import type { ExecuteQuery } from './connection.ts'

/** What may have been counted before and can no longer be looked up. */
export interface ExpiredRereads {
  /** By partition: records below this offset may have been applied before, out of a former log. */
  rereads: ReadonlyMap<number, number>
  /** Of events received before this day nothing can tell; days since 1970-01-01, UTC. */
  oldestDay: number
}

/** No day is dropped while a log is read again (maintenance), so it holds for as long as it is needed. */
export async function readExpiredRereads(
  execute: ExecuteQuery,
  rereads: ReadonlyMap<number, number>,
): Promise<ExpiredRereads | undefined> {
  if (rereads.size === 0) return undefined
  const { droppedThrough } = await readRetention(execute)
  if (droppedThrough === undefined) return undefined
  return { rereads, oldestDay: droppedThrough + 1 + LIMITS.dedupeDays }
}

/** Events of days that were dropped become dead letters: stored again they might count twice. */
export function refuseExpired(
  decoded: readonly Decoded[],
  { rereads, oldestDay }: ExpiredRereads,
): Decoded[] {
  return decoded.map((item) => {
    if (item.kind !== 'event' || item.row.receivedDay >= oldestDay) return item
    const { partition, offset } = item.row.record
    return offset < (rereads.get(partition) ?? 0) ? refused(item.row, oldestDay) : item
  })
}

function refused(row: EventRow, oldestDay: number): Decoded {
  return {
    kind: 'dead-letter',
    deadLetter: {
      tenantId: row.tenantId,
      reason: 'RECEIVED_AT_OUT_OF_RANGE',
      detail: `a recreated log is read again, and events received before ${isoDay(oldestDay)} are no longer kept: this one may have been counted already`,
      requestId: row.requestId,
      route: null,
      client: null,
      ...UNSTAMPED,
      receivedMs: row.received.ms,
      eventId: row.eventId,
      original: row.record.value,
      record: row.record,
    },
  }
}
