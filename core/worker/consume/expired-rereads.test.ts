import { expect, test } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { isoDay } from '../../db/day-partitions.ts'
import type { Decoded } from '../decode/decoded.ts'
import { eventRow } from '../testing/event-rows.ts'
import { type ExpiredRereads, readExpiredRereads, refuseExpired } from './expired-rereads.ts'

const DROPPED = 20_000
const REREADS = new Map([[0, 10]])
const retention = (dropped: number | null) => async () => ({
  rows: [{ today: DROPPED + 30, retention_days: 30, dropped }],
})

test('of a log that is read again, events are refused of each day whose horizon reaches one that was dropped', async () => {
  const expired = (await readExpiredRereads(retention(DROPPED), REREADS)) as ExpiredRereads
  const at = (receivedDay: number, offset: number, partition = 0): Decoded => {
    const row = eventRow({ receivedDay })
    return { kind: 'event', row: { ...row, record: { ...row.record, partition, offset } } }
  }
  const last = DROPPED + LIMITS.dedupeDays
  const decoded = [
    at(DROPPED, 0),
    at(last, 9),
    // The horizon of the next day reaches only days that are kept.
    at(last + 1, 9),
    // What was never read before: behind the former end, and in a partition that is not read again.
    at(last, 10),
    at(last, 9, 1),
  ]
  const result = refuseExpired(decoded, expired)
  expect(result.slice(2)).toEqual(decoded.slice(2))
  for (const item of result.slice(0, 2))
    expect(item).toMatchObject({
      kind: 'dead-letter',
      deadLetter: {
        reason: 'RECEIVED_AT_OUT_OF_RANGE',
        detail: expect.stringContaining(`received before ${isoDay(last + 1)} `),
      },
    })
})

test('nothing is refused where no log is read again, or no day was ever dropped', async () => {
  expect(await readExpiredRereads(retention(DROPPED), new Map())).toBeUndefined()
  expect(await readExpiredRereads(retention(null), REREADS)).toBeUndefined()
})
