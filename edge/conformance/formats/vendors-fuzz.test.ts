import fc from 'fast-check'
import { expect, test } from 'vitest'
import { normalise } from '../../../contract/event/normalise.ts'
import { amplitude } from '../../formats/amplitude/format.ts'
import { ga4 } from '../../formats/ga4/format.ts'
import type { IngestFormat } from '../../formats/ingest-format.ts'
import { mixpanelTrack } from '../../formats/mixpanel/format.ts'
import { otlp } from '../../formats/otlp/format.ts'
import { plausible } from '../../formats/plausible/format.ts'
import { snowplow } from '../../formats/snowplow/format.ts'
import { umami } from '../../formats/umami/format.ts'

/** Names that the formats read, that they add themselves, and others. */
const NAMES = [
  ...['name', 'n', 'url', 'u', 'p', 'm', 'meta', 'props', 'r', 'referrer', 'v', 'title', 'page'],
  ...['event_properties', 'user_id', 'device_id', 'session_id', 'insert_id', 'time', 'revenue'],
  ...['distinct_id', '$insert_id', '$user_id', 'label', 'se_la', 'value', 'se_va', 'uid', 'duid'],
  ...['data', 'id', 'tag', 'hostname', 'sid', 'ttm', 'dtm', 'type', 'client_id', '_name', 'scope'],
]
let marks = 0
const mark = fc.constant(0).map(() => `mark-${++marks}.`)
const fields = fc.dictionary(fc.constantFrom(...NAMES), mark, { maxKeys: 12 })
const record = fields.map((members) => {
  const attributes = Object.entries(members).map(([key, stringValue]) => ({
    key,
    value: { stringValue },
  }))
  return { eventName: 'a', traceId: members.name, attributes }
})

const FORMATS: readonly [string, IngestFormat, fc.Arbitrary<unknown>][] = [
  [
    'Mixpanel',
    mixpanelTrack,
    fc.tuple(fields, fields).map(([sent, properties]) => ({ ...sent, event: 'a', properties })),
  ],
  [
    'Amplitude',
    amplitude,
    fc.tuple(fields, fields, fields).map(([envelope, sent, event_properties]) => ({
      ...envelope,
      events: [{ ...sent, event_type: 'a', event_properties }],
    })),
  ],
  [
    'Google Analytics 4',
    ga4,
    fc.tuple(fields, fields, fields).map(([sent, event, params]) => ({
      ...sent,
      events: [{ ...event, name: 'a', params }],
    })),
  ],
  ['Plausible', plausible, fields.map((sent) => ({ ...sent, n: 'a', name: undefined }))],
  ['Umami', umami, fields.map((sent) => ({ payload: { ...sent, name: 'a', data: sent } }))],
  ['Snowplow', snowplow, fields.map((sent) => ({ data: [{ ...sent, e: 'pv' }] }))],
  [
    'OTLP',
    otlp,
    fc.tuple(record, record).map(([resource, logRecord]) => ({
      resourceLogs: [{ resource, scopeLogs: [{ scope: resource, logRecords: [logRecord] }] }],
    })),
  ],
]

test.each(FORMATS)(
  'the format of %s keeps every value of an event, and points to each by its own name',
  async (_, format, bodies) => {
    await fc.assert(
      fc.asyncProperty(bodies, async (sent) => {
        const text = JSON.stringify(sent)
        const bytes = new TextEncoder().encode(text)
        const request = new Request('http://edge/')
        const batch = await format.read({ bytes, request, receivedMs: 0, text: () => text })
        const [item] = batch.items
        expect(text).toContain(batch.original(0))
        const read = normalise(item?.raw, {
          receivedAt: '2026-11-21T00:00:00Z',
          eventId: () => 'i',
        })
        if (read.ok)
          for (const [value] of text.matchAll(/mark-\d+\./g)) expect(read.json).toContain(value)
        // Texts are valid everywhere but as a time or a value.
        for (const { pointer } of read.ok ? [] : read.errors)
          expect(
            valueAt(JSON.parse(batch.original(0)), item?.clientPointer?.(pointer) ?? ''),
          ).toMatch(/^mark-/)
      }),
      { numRuns: 200 },
    )
  },
)

function valueAt(value: unknown, pointer: string): unknown {
  return pointer
    .split('/')
    .slice(1)
    .reduce((found, step) => (found as Record<string, unknown> | undefined)?.[step], value)
}
