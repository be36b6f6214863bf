import { batch, type Case } from './case.ts'

const CANONICAL_BYTES =
  '{"event_id":"x","name":"a","occurred_at":"1970-01-01T00:00:00Z","properties":{"p":""}}'.length

/** The number and size of events. */
export const SIZES: readonly Case[] = [
  { title: '1,000 events', body: batch(1000), status: 202 },
  { title: '1,001 events', body: batch(1001), status: 422, code: 'BATCH_TOO_LARGE' },
  { title: 'an empty batch', body: '[]', status: 422, code: 'BATCH_EMPTY' },
  {
    title: 'a batch with valid and invalid events',
    body: '[{"event":"a"},{"event":""},{"event":"b","timestamp":"now"},7]',
    status: 202,
    errors: ['1 /event NAME_INVALID', '2 /timestamp OCCURRED_AT_INVALID', '3  EVENT_NOT_OBJECT'],
  },
  {
    title: 'a batch without a valid event',
    body: '{"events":[{},[]]}',
    status: 422,
    code: 'EVENTS_INVALID',
    errors: ['0 /name NAME_MISSING', '1  EVENT_NOT_OBJECT'],
  },
  {
    title: 'a single event that is too large',
    body: `{"event":"a","x":"${'x'.repeat(70_000)}"}`,
    status: 413,
    code: 'EVENT_TOO_LARGE',
    errors: ['0  EVENT_TOO_LARGE'],
  },
  {
    title: 'a batch with one event that is too large',
    body: `[{"event":"a","x":"${'x'.repeat(70_000)}"},{"event":"b"}]`,
    status: 202,
    errors: ['0  EVENT_TOO_LARGE'],
  },
  {
    title: 'a batch larger than the rate limit ever admits',
    key: { key_events_per_minute: 10 },
    body: batch(11),
    status: 422,
    code: 'BATCH_OVER_LIMIT',
  },

  ...[
    [65_536, 202],
    [65_537, 413],
  ].map(
    ([bytes, status]): Case => ({
      title: `an event of ${bytes?.toLocaleString('en')} bytes in its canonical form`,
      key: { may_import_history: true },
      path: '/v1/events?historical=true',
      // Sent in another form: the size of the stored form counts.
      body: `{ "payload": {"p": "${'€'.repeat(20_000)}${'x'.repeat((bytes as number) - CANONICAL_BYTES - 60_000)}"},  "timestamp": 0, "event": "a", "eventId": "x" }`,
      status: status as number,
      code: status === 413 ? 'EVENT_TOO_LARGE' : undefined,
    }),
  ),
  {
    title: 'a thousand invalid events',
    body: `[${Array(1_000).fill('{"value":"x"}').join()}]`,
    status: 422,
    code: 'EVENTS_INVALID',
    errors: Array.from({ length: 1_000 }, (_, i) => `${i} /name NAME_MISSING`),
  },
  {
    title: 'an envelope whose sent_at is null',
    body: '{"events":[{"name":"a"}],"sent_at":null}',
    status: 202,
    expectedEvents: ['{"name":"a"}'],
  },
  ...['"now"', '1e300', '"2026-02-30T00:00:00Z"', '{}', '""'].map(
    (sentAt): Case => ({
      title: `sent_at ${sentAt}`,
      body: `{"events":[{"name":"a"}],"sent_at":${sentAt}}`,
      status: 422,
      code: 'SENT_AT_INVALID',
    }),
  ),
]
