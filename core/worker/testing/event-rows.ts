import type { EventRow } from '../decode/decoded.ts'

export const RECEIVED_MS = Date.parse('2026-11-21T09:07:30.250Z')

let made = 0

/** An event as decodeBatch gives it, with an id and an offset of its own. */
export function eventRow(fields: Partial<EventRow> = {}): EventRow {
  made++
  const received = fields.received ?? { ms: RECEIVED_MS, us: 0 }
  const eventId = fields.eventId ?? `0192a1b2-0000-7000-8000-${made.toString(16).padStart(12, '0')}`
  return {
    tenantId: 1,
    trust: 'server',
    eventId,
    clientEventId: null,
    receivedDay: Math.floor(received.ms / 86_400_000),
    received,
    occurred: received,
    clientOccurred: undefined,
    timeIsComputed: false,
    historical: false,
    event: { event_id: eventId, name: 'order', occurred_at: '', properties: {} },
    keyId: null,
    requestId: 'r',
    record: {
      partition: 0,
      offset: made,
      timestamp: received.ms,
      key: null,
      value: Buffer.alloc(0),
    },
    ...fields,
  }
}
