import { expect, test } from 'vitest'
import { type ReceiptNode, toTimeline } from './timeline.ts'

const NOTHING: ReceiptNode = {
  ...{ eventId: 'e', outcome: 'NOT_FOUND', trustClass: null, processedAt: null },
  ...{ hasMoreDuplicates: false, accepted: null, stored: null, duplicates: [], deadLetters: [] },
  ...{ removed: null, notFound: null },
}
const at = (hour: number) => `2026-11-20T${hour}:00:00Z`

test('a receipt is printed in the order of what happened', () => {
  const position = { partition: 3, offset: '7' }
  expect(
    toTimeline({
      ...NOTHING,
      ...{ outcome: 'STORED', trustClass: 'SERVER', processedAt: at(11), hasMoreDuplicates: true },
      accepted: { at: at(10), requestId: 'r', keyId: 'k', keyName: null, ...position },
      stored: {
        day: '2026-11-20',
        countedBy: [{ metric: 'sales', kind: 'metric', version: 2, bucket: at(10) }],
      },
      duplicates: [
        {
          ...{ receivedAt: at(12), processedAt: at(12), requestId: 'again', conflicting: true },
          ...position,
        },
      ],
      deadLetters: [
        {
          ...{ id: '9', reason: 'UNSTORABLE', state: 'replayed', receivedAt: at(10) },
          ...{ deadAt: at(10), requestId: null, ...position },
        },
      ],
    }),
  ).toEqual([
    [at(10), 'accepted', 'trust class server, request r, key k'],
    [at(10), 'in the log', 'events.raw 3:7'],
    [at(11), 'stored', `received on 2026-11-20; counted by metric sales (version 2) at ${at(10)}`],
    [at(10), 'dead', 'UNSTORABLE, dead letter 9 (replayed), events.raw 3:7'],
    [at(12), 'duplicate, other content', 'request again, events.raw 3:7'],
    ['', 'duplicate', 'and more'],
  ])
})

test('what is not found, or removed, has its reason', () => {
  const since = at(10)
  const notFound = { since, recordsInFlight: 0, inFlightSince: null }
  expect(
    toTimeline({
      ...NOTHING,
      notFound: { ...notFound, reason: 'NEVER_SEEN', recordsInFlight: 2, inFlightSince: at(12) },
    }),
  ).toEqual([
    [
      '',
      'not found',
      `never seen since ${since}; 2 records since ${at(12)} wait to be applied, it may be one of them`,
    ],
  ])
  expect(toTimeline({ ...NOTHING, outcome: 'REMOVED' })).toEqual([
    ['', 'removed', 'by retention, on a day that is not recorded'],
  ])
  expect(
    toTimeline({
      ...NOTHING,
      removed: { day: '2026-10-01', droppedAt: at(11) },
      notFound: { ...notFound, reason: 'OLDER_THAN_KEPT' },
    }),
  ).toEqual([
    [at(11), 'removed', 'by retention, with the day 2026-10-01'],
    ['', 'not found', 'the time in its id is older than what is kept'],
  ])
})
