import fc from 'fast-check'
import { expect, it } from 'vitest'
import { parseExactly } from '../../../contract/json/exact-parse.ts'
import { anyJson, mutated, sentEvent } from '../../../contract/testing/arbitrary.ts'
import { losesNumbers } from '../../../contract/testing/model.ts'
import { describeEdges } from '../../testing/edge-harness.ts'
import {
  anyEncoding,
  expectArrived,
  expectDocumented,
  fuzz,
  type Recorded,
  recordsOf,
} from '../../testing/fuzz.ts'

const FUZZ_MS = 2_000
type Fields = Record<string, unknown>

/** An SDK message with mostly plausible fields. */
const message = (fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc.oneof(
    { weight: 9, arbitrary: fc.record(fields, { requiredKeys: [] }) },
    { weight: 1, arbitrary: anyJson },
  )
const properties = sentEvent
const time = fc.oneof(
  fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((at) => at.toJSON()),
  anyJson,
)

describeEdges('the edge, for random messages of SDKs that drop on 4xx', (harness) => {
  const segment = message({
    type: fc.oneof(fc.constantFrom('track', 'identify', 'page', 'group', 'alias'), anyJson),
    event: fc.oneof(fc.string({ minLength: 1 }), anyJson),
    messageId: fc.oneof(fc.uuid(), anyJson),
    userId: fc.oneof(fc.uuid(), anyJson),
    anonymousId: fc.oneof(fc.uuid(), anyJson),
    timestamp: time,
    properties,
    traits: properties,
    context: properties,
  })
  const posthog = message({
    event: fc.oneof(fc.constantFrom('$pageview', 'signup', '$identify'), anyJson),
    distinct_id: fc.oneof(fc.uuid(), anyJson),
    uuid: fc.oneof(fc.uuid(), anyJson),
    timestamp: time,
    properties,
    $set: anyJson,
    extra: anyJson,
  })

  it.each([
    ['Segment', '/v1/batch', segment, { success: true }],
    ['PostHog', '/batch/', posthog, { status: 1 }],
  ] as const)(
    'responds 200 to %s and logs each event or its dead letter',
    async (_, path, message, body200) => {
      const ownKey = harness.newKey()
      const kinds = { events: 0, dead: 0 }
      const batches = fc.tuple(fc.array(message, { minLength: 1, maxLength: 5 }), anyEncoding)
      await fuzz(harness, FUZZ_MS, batches, async ([batch, wrap]) => {
        const body = JSON.stringify({ batch })
        const sent = (parseExactly(body) as { batch: unknown[] }).batch
        const { response, records } = await recordsOf(harness, () =>
          harness.send(ownKey, { path, ...wrap(body) }),
        )
        expect([response.status, response.json]).toEqual([200, body200])
        expect(records.length).toBe(sent.length)
        const left = [...sent]
        for (const record of records) {
          kinds[record.event ? 'events' : 'dead']++
          if (record.event) expectKept(record, left.shift(), left)
          else expect(sent).toContainEqual(parseExactly(record.original as string))
        }
      })
      expect(Math.min(kinds.events, kinds.dead)).toBeGreaterThan(20)
    },
  )

  it.each(['/v1/batch', '/v1/t', '/v1/identify', '/batch', '/e/', '/capture/', '/i/v0/e/'])(
    'responds to a mutated body at %s with 200 and a record, or with a documented error',
    async (path) => {
      const ownKey = harness.newKey()
      const bodies = fc.oneof(
        mutated(fc.array(segment, { maxLength: 2 }).map((batch) => JSON.stringify({ batch }))),
        mutated(fc.array(posthog, { maxLength: 2 }).map((batch) => JSON.stringify({ batch }))),
        mutated(posthog.map((event) => JSON.stringify(event))),
        fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
      )
      await fuzz(harness, FUZZ_MS / 5, bodies, async (body) => {
        const { response, records } = await recordsOf(harness, () =>
          harness.send(ownKey, { path, body }),
        )
        expectDocumented(response, [200])
        if (response.status === 200) expect(records.length).toBe(itemsIn(body, path))
        else expect(records.length).toBe(0)
      })
    },
  )

  it('logs no unexpected error and no key', () => {
    expect(harness.edge.log()).not.toMatch(/unexpected error|Uncaught|slc_/)
  })
})

describeEdges('the edge, for random NDJSON and CloudEvents', (harness) => {
  const path = '/v1/events?historical=true'

  it('logs each valid NDJSON line unchanged and in order, however the stream is chunked', async () => {
    const ownKey = harness.newKey({ may_import_history: true })
    const line = fc.oneof(
      { weight: 6, arbitrary: sentEvent.map((event) => JSON.stringify(event)) },
      { weight: 1, arbitrary: mutated(sentEvent.map((event) => JSON.stringify(event))) },
      { weight: 1, arbitrary: fc.constantFrom('', ' ', '\r', '{', 'null', '[]') },
    )
    const streams = fc.tuple(
      fc.array(
        line.map((text) => text.replaceAll('\n', ' ')),
        { maxLength: 8 },
      ),
      fc.constantFrom('\n', '\r\n'),
      fc.boolean(),
      anyEncoding,
    )
    await fuzz(harness, FUZZ_MS, streams, async ([lines, end, ends, wrap]) => {
      const body = lines.join(end) + (ends ? end : '')
      const { headers, ...wrapped } = wrap(body)
      const { response, records } = await recordsOf(harness, () =>
        harness.send(ownKey, {
          path,
          headers: { 'content-type': 'application/x-ndjson', ...headers },
          ...wrapped,
        }),
      )
      expectDocumented(response)
      expect(records.length).toBe(response.status === 202 ? response.json.accepted : 0)
      if (!losesNumbers(body)) expectArrived(records, lines.map(parsed))
    })
  })

  it('logs as many CloudEvents as it accepts, with the data that was sent', async () => {
    const ownKey = harness.newKey()
    // Mostly valid: a random attribute rejects its event, and rejected events prove little.
    const mostly = (good: fc.Arbitrary<unknown>) =>
      fc.oneof({ weight: 9, arbitrary: good }, { weight: 1, arbitrary: anyJson })
    const event = message({
      specversion: mostly(fc.constant('1.0')),
      id: mostly(fc.uuid()),
      source: mostly(fc.webUrl()),
      type: mostly(fc.constantFrom('com.example.order', 'a')),
      time: mostly(time),
      subject: mostly(fc.string({ minLength: 1 })),
      partitionkey: mostly(fc.string({ minLength: 1 })),
      data: fc.oneof(properties, anyJson),
    })
    const batches = fc.tuple(fc.array(event, { maxLength: 4 }), anyEncoding)
    let arrived = 0
    await fuzz(harness, FUZZ_MS, batches, async ([batch, wrap]) => {
      const body = JSON.stringify(batch)
      const { headers, ...wrapped } = wrap(body)
      const { response, records } = await recordsOf(harness, () =>
        harness.send(ownKey, {
          headers: { 'content-type': 'application/cloudevents-batch+json', ...headers },
          ...wrapped,
        }),
      )
      expectDocumented(response)
      if (response.status !== 202) return expect(records.length).toBe(0)
      expect(records.length).toBe(response.json.accepted)
      const sent = parseExactly(body) as Fields[]
      records.forEach(({ event }, i) => {
        arrived++
        const { data } = sent[response.json.events[i].index] as Fields
        const isObject = typeof data === 'object' && data !== null && !Array.isArray(data)
        expect(event?.properties).toEqual(isObject ? data : data === undefined ? {} : { data })
      })
    })
    expect(arrived).toBeGreaterThan(20)
  })

  it('logs no unexpected error and no key', () => {
    expect(harness.edge.log()).not.toMatch(/unexpected error|Uncaught|slc_/)
  })
})

/** Properties and traits of the message must all be in the record, unchanged. */
function expectKept(record: Recorded, message: unknown, others: unknown[]): void {
  // Messages that became dead letters come later in the log.
  for (let sent = message; sent !== undefined; sent = others.shift())
    if (isKept(record, sent)) return
  throw new Error(`arrived, but was not sent: ${JSON.stringify(record.event)}`)
}

function isKept({ event }: Recorded, sent: unknown): boolean {
  const { properties = {}, context = {} } = event as { properties?: Fields; context?: Fields }
  return ['properties', 'traits'].every((field) => {
    const value = (sent as Fields | null)?.[field]
    // A value without a field of its own is in the context, under an unused name.
    const isInContext = Object.values(context).some((member) => same(member, value))
    return value == null || isInContext || holds(properties, value)
  })
}

function holds(all: Fields, some: unknown): boolean {
  if (typeof some !== 'object' || some === null || Array.isArray(some)) return false
  return Object.entries(some).every(([key, value]) => same(all[key], value))
}

/** Compares as JSON, which drops the sign of zero. */
function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** Messages in an SDK's body; an unreadable body counts as one. */
function itemsIn(body: string, path: string): number {
  const value = parsed(body.replace(/^\ufeff/, '')) as { batch?: unknown } | undefined
  // PostHog's libraries may send a bare array.
  if (Array.isArray(value) && !path.startsWith('/v1/')) return value.length
  return Array.isArray(value?.batch) ? value.batch.length : 1
}

function parsed(text: string): unknown {
  try {
    return parseExactly(text)
  } catch {
    return undefined
  }
}
