import { expect, test } from 'vitest'
import { LIMITS } from '../limits.ts'
import { decodeRecord, recordEncoder } from './record.ts'

const encoder = recordEncoder({
  v: 1,
  tenant: 'shop',
  key: 'k',
  request_id: 'r',
  received_at: '2026-11-30T10:00:00Z',
  edge: 'test',
})
const decode = (fields: object) =>
  decodeRecord(
    encoder.event(
      JSON.stringify({
        event_id: 'e',
        name: 'order',
        occurred_at: '2026-11-30T09:59:59Z',
        properties: {},
        ...fields,
      }),
    ),
  )

const { valueMax, eventIdCharsMax, eventNameCharsMax, labelCharsMax } = LIMITS

test.each<[string, unknown[], unknown[]]>([
  ['value', [valueMax, -valueMax, 0, undefined], [valueMax * 1.01, -valueMax * 1.01, '1', null]],
  ['event_id', ['x'.repeat(eventIdCharsMax)], ['x'.repeat(eventIdCharsMax + 1), '', 7]],
  ['name', ['x'.repeat(2 * eventNameCharsMax)], ['x'.repeat(2 * eventNameCharsMax + 1), '']],
  ['actor', ['x'.repeat(2 * labelCharsMax), undefined], ['x'.repeat(2 * labelCharsMax + 1), '']],
  ['occurred_at', ['2026-11-30T09:59:59.999999Z'], ['2026-11-30T09:59:59+01:00', 7]],
  ['properties', [{ a: 1 }], [[], null, undefined, 'x']],
  ['context', [{ a: 1 }, undefined], [[], null, 'x']],
])(
  '%s of a record is taken up to its very limit, and beyond it the event is invalid',
  (field, taken, refused) => {
    for (const value of taken)
      expect([value, decode({ [field]: value })]).toMatchObject([value, { ok: true }])
    for (const value of refused)
      expect([value, decode({ [field]: value })]).toMatchObject([
        value,
        { ok: false, reason: 'EVENT_INVALID', claimed: { tenant: 'shop', request_id: 'r' } },
      ])
  },
)
