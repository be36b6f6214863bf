import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseExactly } from '../../../contract/json/exact-parse.ts'
import { anyJson, mutated, sentEvent } from '../../../contract/testing/arbitrary.ts'
import { describeEdges } from '../../testing/edge-harness.ts'
import {
  anyEncoding,
  expectDocumented,
  fuzz,
  type Recorded,
  recordsOf,
} from '../../testing/fuzz.ts'

const FUZZ_MS = 2_500
type Fields = Record<string, unknown>

/** Mostly a member's plausible values, sometimes anything, sometimes none. */
const some = (good: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 8, arbitrary: good }, { weight: 1, arbitrary: anyJson })
const object = (fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc.oneof(
    { weight: 12, arbitrary: fc.record(fields, { requiredKeys: [] }) },
    { weight: 1, arbitrary: anyJson },
  )
const name = some(fc.constantFrom('signup', 'page_view', 'order placed', '$identify'))
const id = some(fc.uuid())
const millis = fc.integer({ min: 1_600_000_000_000, max: 1_900_000_000_000 })
const ms = some(millis)
const attribute = fc.record({
  key: some(
    fc.constantFrom('user.id', 'session.id', 'event.name', 'a', '__proto__', 'log.record.uid'),
  ),
  value: some(
    fc.oneof(
      fc.record({ stringValue: fc.string() }),
      fc.record({ intValue: fc.oneof(fc.bigInt().map(String), fc.integer()) }),
      fc.record({ arrayValue: fc.constant({ values: [{ boolValue: true }, {}] }) }),
    ),
  ),
})

/** For each format its path, a message, how a body holds several, and the status of success. */
const FORMATS: readonly {
  path: string
  message: fc.Arbitrary<unknown>
  bodyOf: (messages: unknown[]) => unknown
  /** Its body is one event, whatever it holds. */
  single?: true
}[] = [
  {
    path: '/track',
    message: fc.record({
      event: name,
      properties: fc.record(
        { distinct_id: id, $insert_id: id, time: ms, a: sentEvent },
        { requiredKeys: [] },
      ),
    }),
    bodyOf: (messages) => messages,
  },
  {
    path: '/import',
    message: object({ event: name, properties: object({ $insert_id: id, time: ms }) }),
    bodyOf: (messages) => messages,
  },
  {
    path: '/2/httpapi',
    message: object({
      event_type: name,
      user_id: id,
      device_id: id,
      insert_id: id,
      time: ms,
      session_id: some(fc.constantFrom(-1, 1_700_000_000_000)),
      event_properties: sentEvent,
      revenue: anyJson,
      extra: anyJson,
    }),
    bodyOf: (events) => ({ events }),
  },
  {
    path: '/mp/collect',
    message: object({ name, params: sentEvent, timestamp_micros: ms }),
    bodyOf: (events) => ({ client_id: '1.2', events }),
  },
  {
    path: '/com.snowplowanalytics.snowplow/tp2',
    message: object({
      e: some(fc.constantFrom('pv', 'se', 'ue', 'pp')),
      eid: id,
      dtm: some(millis.map(String)),
      uid: id,
      se_ac: name,
      se_va: some(fc.constantFrom('1', '2.5', 'x')),
      ue_pr: some(
        sentEvent.map((data) =>
          JSON.stringify({ data: { schema: 'iglu:a/b/jsonschema/1-0-0', data } }),
        ),
      ),
      co: some(fc.constant('{"data":[{"a":1}]}')),
    }),
    bodyOf: (data) => ({ schema: 'iglu:a', data }),
  },
  {
    path: '/api/event',
    message: object({
      n: name,
      name,
      u: some(fc.webUrl()),
      d: id,
      p: some(
        fc.oneof(
          sentEvent,
          sentEvent.map((event) => JSON.stringify(event)),
        ),
      ),
      $: some(fc.record({ amount: anyJson, currency: fc.constant('EUR') })),
      extra: anyJson,
    }),
    bodyOf: ([message]) => message,
    single: true,
  },
  {
    path: '/api/send',
    message: object({
      type: some(fc.constantFrom('event', 'identify')),
      payload: object({ website: id, name, data: sentEvent, id, timestamp: ms, extra: anyJson }),
    }),
    bodyOf: ([message]) => message,
    single: true,
  },
]
const SUCCESS = [200, 202, 204]

describeEdges(
  'the edge, for random messages of vendors',
  (harness) => {
    it('responds with success and logs each event or its dead letter, whichever format it is', async () => {
      const key = harness.newKey({ may_import_history: true })
      const kinds = new Map(FORMATS.map(({ path }) => [path, { events: 0, dead: 0 }]))
      const requests = fc.oneof(
        ...FORMATS.map((format) =>
          fc.record({
            format: fc.constant(format),
            messages: fc.array(format.message, { minLength: 1, maxLength: format.single ? 1 : 4 }),
            wrap: anyEncoding,
          }),
        ),
      )
      await fuzz(harness, FUZZ_MS, requests, async ({ format, messages, wrap }) => {
        const { path, bodyOf } = format
        const body = JSON.stringify(bodyOf(messages))
        const { response, records } = await recordsOf(harness, () =>
          harness.send(key, { path, ...wrap(body) }),
        )
        expect(SUCCESS).toContain(response.status)
        expect(records.length).toBe(messages.length)
        const sent = JSON.parse(JSON.stringify(messages)) as unknown[]
        const count = kinds.get(path) as { events: number; dead: number }
        for (const record of records) {
          count[record.event ? 'events' : 'dead']++
          if (!record.event) expectOriginal(record, sent)
        }
      })
      for (const [path, { events, dead }] of kinds)
        expect(Math.min(events, dead), path).toBeGreaterThan(0)
    })

    it('responds to mutated bodies with success and records, or with a documented error', async () => {
      const key = harness.newKey()
      const requests = fc.oneof(
        ...FORMATS.map(({ path, message, bodyOf }) =>
          fc.record({
            path: fc.constant(path),
            body: mutated(message.map((one) => JSON.stringify(bodyOf([one])))),
          }),
        ),
      )
      await fuzz(harness, FUZZ_MS, requests, async ({ path, body }) => {
        const { response, records } = await recordsOf(harness, () =>
          harness.send(key, { path, body }),
        )
        expectDocumented(response, SUCCESS)
        if (!SUCCESS.includes(response.status)) expect(records.length).toBe(0)
        else expect(records.length).toBe(itemsIn(body, path))
      })
    })

    it('accounts for every OTLP log record, as an event or in partialSuccess', async () => {
      const key = harness.newKey()
      const record = object({
        eventName: some(fc.constantFrom('a', 'b c')),
        timeUnixNano: some(millis.map((at) => `${at}000000`)),
        attributes: fc.array(attribute, { maxLength: 3 }),
        body: some(fc.constant({ stringValue: 'x' })),
        traceId: anyJson,
      })
      const requests = fc.tuple(
        fc.array(attribute, { maxLength: 2 }),
        fc.array(fc.array(record, { maxLength: 3 }), { maxLength: 3 }),
        anyEncoding,
      )
      let arrived = 0
      await fuzz(harness, FUZZ_MS, requests, async ([attributes, groups, wrap]) => {
        const scopeLogs = groups.map((logRecords) => ({ logRecords }))
        const body = JSON.stringify({ resourceLogs: [{ resource: { attributes }, scopeLogs }] })
        const { headers, ...wrapped } = wrap(body)
        const { response, records } = await recordsOf(harness, () =>
          harness.send(key, {
            path: '/v1/logs',
            headers: { 'content-type': 'application/json', ...headers },
            ...wrapped,
          }),
        )
        expect(response.status).toBe(200)
        const rejected = Number(response.json.partialSuccess?.rejectedLogRecords ?? 0)
        expect(records.length + rejected).toBe(groups.flat().length)
        arrived += records.length
      })
      expect(arrived).toBeGreaterThan(20)
    })

    it('logs no unexpected error and no key', () => {
      expect(harness.edge.log()).not.toMatch(/unexpected error|Uncaught|slc_/)
    })
  },
  undefined,
  ['workerd', 'node'],
)

/** The original of a dead letter is a message as it was sent. */
function expectOriginal({ original }: Recorded, sent: readonly unknown[]): void {
  expect(sent).toContainEqual(JSON.parse(original as string))
}

/** Events in a body; an unreadable body counts as one. */
function itemsIn(body: string, path: string): number {
  let value: unknown
  try {
    value = parseExactly(body.replace(/^\ufeff/, ''))
  } catch {
    return 1
  }
  if (path === '/track' || path === '/import') return Array.isArray(value) ? value.length : 1
  const { events, data } = (value ?? {}) as Fields
  const list = path === '/com.snowplowanalytics.snowplow/tp2' ? data : events
  const isList = Array.isArray(list) && !path.startsWith('/api/') && !Array.isArray(value)
  return isList ? list.length : 1
}
