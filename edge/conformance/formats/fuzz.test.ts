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
  recordsOf,
} from '../../testing/fuzz.ts'

const FUZZ_MS = 2_500
const NAMES = ['event_name', 'eventName', 'event_type', 'eventType', 'event', 'name']

describeEdges('the edge, for random requests', (harness) => {
  const key = () => harness.newKey({ may_import_history: true })
  const path = '/v1/events?historical=true'

  it('logs the valid events of any body unchanged and in order, in every envelope and encoding', async () => {
    const ownKey = key()
    const bodies = fc.tuple(
      fc.array(sentEvent, { minLength: 1, maxLength: 4 }),
      fc.constantFrom('one', 'list', 'envelope'),
      anyEncoding,
    )
    await fuzz(harness, FUZZ_MS, bodies, async ([events, shape, wrap]) => {
      const sent = parseExactly(JSON.stringify(events)) as unknown[]
      const [first] = sent
      const body = shape === 'one' ? first : shape === 'list' ? sent : { events: sent }
      const all = shape === 'one' ? itemsOf(first) : sent
      if (all === undefined) return
      const { response, records } = await recordsOf(harness, () => {
        const { headers, ...wrapped } = wrap(JSON.stringify(body))
        return harness.send(ownKey, { path, headers, ...wrapped })
      })
      expectDocumented(response)
      expectArrived(records, all)
      if (response.status === 202) {
        expect(response.json.accepted).toBe(records.length)
        expect(response.json.rejected).toBe(all.length - records.length)
      }
    })
  })

  it('accepts mutated JSON as JSON.parse reads it, or rejects it', async () => {
    const ownKey = key()
    const text = fc.oneof(
      mutated(sentEvent.map((event) => JSON.stringify(event))),
      mutated(fc.array(sentEvent, { maxLength: 3 }).map((events) => JSON.stringify({ events }))),
      mutated(anyJson.map((json) => JSON.stringify(json))),
    )
    await fuzz(harness, FUZZ_MS, text, async (body) => {
      const { response, records } = await recordsOf(harness, () =>
        harness.send(ownKey, { path, body }),
      )
      expectDocumented(response)
      const parsed = parse(body.replace(/^\ufeff/, ''))
      expect(response.json.code === 'INVALID_JSON').toBe(parsed === undefined)
      expect(records.length).toBe(response.status === 202 ? response.json.accepted : 0)
      const sent = itemsOf(parsed?.value)
      if (parsed && sent && !losesNumbers(body)) expectArrived(records, sent)
    })
  })

  it('gives any bytes with any headers a documented response, and logs as many records as it accepts', async () => {
    const ownKey = key()
    const requests = fc.record({
      bytes: fc.oneof(
        fc.uint8Array({ maxLength: 200 }),
        sentEvent.map((event) => Buffer.from(JSON.stringify(event))),
        fc
          .tuple(sentEvent, fc.nat(200), fc.uint8Array({ minLength: 1, maxLength: 3 }))
          .map(([event, at, bytes]) => {
            const text = Buffer.from(JSON.stringify(event))
            return Buffer.concat([text.subarray(0, at), bytes, text.subarray(at + bytes.length)])
          }),
      ),
      type: fc.constantFrom(undefined, 'application/json', 'text/plain', 'text/html', ''),
      encoding: fc.constantFrom(undefined, undefined, 'gzip', 'deflate', 'identity', 'br'),
      once: fc.option(fc.string({ unit: fc.constantFrom(...'ab"\\ ,;'), maxLength: 6 }), {
        nil: undefined,
      }),
      query: fc.constantFrom('', '?historical=true', '?historical=x', '?key=', '?%'),
      chunked: fc.boolean(),
    })
    await fuzz(
      harness,
      FUZZ_MS,
      requests,
      async ({ bytes, type, encoding, once, query, chunked }) => {
        const headers = Object.entries({
          'content-type': type,
          'content-encoding': encoding,
          'idempotency-key': once,
        }).filter((entry): entry is [string, string] => entry[1] !== undefined)
        const { response, records } = await recordsOf(harness, () =>
          harness.send(ownKey, {
            path: `/v1/events${query}`,
            headers: Object.fromEntries(headers),
            body: bytes,
            chunked,
          }),
        )
        expectDocumented(response)
        const isNew = response.status === 202 && !response.headers['idempotency-replayed']
        expect(records.length).toBe(isNew ? response.json.accepted : 0)
      },
    )
  })

  it('logs no unexpected error and no key', () => {
    expect(harness.edge.log()).not.toMatch(/unexpected error|Uncaught|slc_/)
  })
})

/** The events of a body according to the documentation; undefined for none or too many. */
function itemsOf(body: unknown): unknown[] | undefined {
  const inside = envelopeOf(body)
  const list = Array.isArray(body) ? body : inside
  if (list === undefined) return [body]
  return list.length > 0 && list.length <= 1_000 ? list : undefined
}

function envelopeOf(body: unknown): unknown[] | undefined {
  if (typeof body !== 'object' || body === null || NAMES.some((name) => Object.hasOwn(body, name)))
    return undefined
  const { events } = body as { events?: unknown }
  return Array.isArray(events) ? events : undefined
}

function parse(text: string): { value: unknown } | undefined {
  try {
    return { value: parseExactly(text) }
  } catch {
    return undefined
  }
}
