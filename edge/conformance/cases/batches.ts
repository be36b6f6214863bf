import { batch, type Case } from './case.ts'

/** How many, and how large? */
export const SIZES: readonly Case[] = [
  { says: '1,000 events', body: batch(1000), status: 202 },
  { says: '1,001 events', body: batch(1001), status: 422, code: 'BATCH_TOO_LARGE' },
  { says: 'no event', body: '[]', status: 422, code: 'BATCH_EMPTY' },
  {
    says: 'a partial batch: the good ones are taken, the others named',
    body: '[{"event":"a"},{"event":""},{"event":"b","timestamp":"now"},7]',
    status: 202,
    errors: ['1 /event NAME_INVALID', '2 /timestamp OCCURRED_AT_INVALID', '3  EVENT_NOT_OBJECT'],
  },
  {
    says: 'a batch without one good event',
    body: '{"events":[{},[]]}',
    status: 422,
    code: 'EVENTS_INVALID',
    errors: ['0 /name NAME_MISSING', '1  EVENT_NOT_OBJECT'],
  },
  {
    says: 'one event that is too large',
    body: `{"event":"a","x":"${'x'.repeat(70_000)}"}`,
    status: 413,
    code: 'EVENT_TOO_LARGE',
    errors: ['0  EVENT_TOO_LARGE'],
  },
  {
    says: 'one event that is too large, among others',
    body: `[{"event":"a","x":"${'x'.repeat(70_000)}"},{"event":"b"}]`,
    status: 202,
    errors: ['0  EVENT_TOO_LARGE'],
  },
  {
    says: 'a batch larger than the limit ever admits',
    key: { key_events_per_minute: 10 },
    body: batch(11),
    status: 422,
    code: 'BATCH_OVER_LIMIT',
  },
]
