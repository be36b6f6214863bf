import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { normalise } from '../../../contract/event/normalise.ts'
import { unwrap } from '../../formats/common/unwrap.ts'
import type { IncomingBatch, IngestFormat } from '../../formats/ingest-format.ts'
import { createPostHogFormat, postHogV1Format } from '../../formats/posthog/format.ts'
import { HttpProblem } from '../../http/http-problem.ts'

const FORMATS: readonly IngestFormat[] = [createPostHogFormat(1), postHogV1Format]
const TEXTS = ['event', 'uuid', 'distinct_id', '$distinct_id', 'message_id', 'session_id']
const ANYTHING = ['window_id', 'type', 'context', 'value', 'source', 'metadata', 'payload', 'name']
const OBJECTS = ['properties', '$set', '$set_once', 'options']
const TIMES = ['timestamp', 'offset', 'sent_at']

async function read(format: IngestFormat, text: string): Promise<IncomingBatch> {
  const bytes = new TextEncoder().encode(text)
  const request = new Request('http://edge/batch/?_=1795251600000')
  return format.read({ bytes, request, receivedMs: 1_795_251_600_000, text: () => text })
}

function validate({ items }: IncomingBatch) {
  return items.map(({ raw, systemName, clientPointer }) => {
    const at = { receivedAt: '2026-11-21T09:00:00Z', eventId: () => 'new', systemName }
    const found = normalise(raw, at)
    if (!found.ok)
      for (const { pointer } of found.errors)
        expect(clientPointer?.(pointer) ?? '').toBeTypeOf('string')
    return found.ok ? found.json : undefined
  })
}

test('the PostHog format reads or rejects any body, and returns the original of each event', async () => {
  const event = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(
      fc.constantFrom(...TEXTS, ...ANYTHING, ...OBJECTS, ...TIMES, '__proto__', 'token'),
      fc.jsonValue(),
    ),
  )
  const envelope = fc.record(
    {
      batch: fc.array(event),
      api_key: fc.jsonValue(),
      sent_at: fc.jsonValue(),
      created_at: fc.jsonValue(),
      historical_migration: fc.jsonValue(),
    },
    { requiredKeys: [] },
  )
  const body = fc.oneof(envelope, event, fc.array(event)).map((value) => JSON.stringify(value))
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...FORMATS), body, async (format, text) => {
      const incoming = await read(format, text).catch((error) => {
        if (error instanceof HttpProblem) return undefined
        throw error
      })
      if (!incoming) return
      validate(incoming)
      const originals = incoming.items.map((_, index) => JSON.parse(incoming.original(index)))
      const sent = JSON.parse(text)
      const list = incoming.isSingleEvent ? [sent] : Array.isArray(sent) ? sent : sent.batch
      expect(originals).toEqual(list)
      const deadLetters = incoming.items.map((_, index) => ({ index, errors: [] }))
      const outcome = {
        requestId: 'r',
        incoming,
        accepted: [],
        deadLetters,
        errors: [],
        warnings: [],
      }
      expect(format.buildResponse(outcome).status).toBe(200)
    }),
    { numRuns: 1_000 },
  )
})

test('the PostHog format keeps every value of an event except the key', async () => {
  let marks = 0
  const mark = fc.constant(0).map(() => `mark-${++marks}.`)
  const names = ['$set', '$session_id', '$window_id', 'distinct_id', '$process_person_profile', 'a']
  const options = ['process_person_profile', 'cookieless_mode', 'b']
  const fields = (all: readonly string[], value: fc.Arbitrary<unknown>) =>
    Object.fromEntries(all.map((field) => [field, value]))
  const event = fc.record(
    {
      ...fields([...TEXTS, ...ANYTHING], mark),
      ...fields(OBJECTS, fc.dictionary(fc.constantFrom(...names, ...options), mark)),
    },
    { requiredKeys: ['event'] },
  )
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...FORMATS), event, mark, async (format, sent, note) => {
      const batch = [sent]
      const [json] = validate(await read(format, JSON.stringify({ batch, note })))
      for (const [value] of JSON.stringify({ batch, note }).matchAll(/mark-\d+\./g))
        expect(json).toContain(value)
    }),
    { numRuns: 1_000 },
  )
})

test('unwrap returns the JSON from every encoding that PostHog libraries use', async () => {
  const encode = (text: string) => new TextEncoder().encode(text)
  const WRAPS: ((json: string) => Uint8Array)[] = [
    encode,
    (json) => gzipSync(json),
    (json) => encode(Buffer.from(json).toString('base64')),
    (json) => encode(`data=${encodeURIComponent(Buffer.from(json).toString('base64'))}`),
    (json) => encode(`a=1&data=${Buffer.from(json).toString('base64')}`),
    (json) => encode(`data=${encodeURIComponent(json)}&b=2`),
    (json) => encode(`data=${encodeURIComponent(gzipSync(json).toString('base64'))}`),
  ]
  const json = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue())
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...WRAPS), json, async (wrap, value) => {
      const text = JSON.stringify(value)
      const bytes = await unwrap(new Uint8Array(wrap(text)))
      expect(new TextDecoder().decode(bytes)).toBe(text)
    }),
    { numRuns: 500 },
  )
})

test('unwrap decodes any bytes, leaves them unchanged or rejects them', async () => {
  const some = fc.uint8Array({ maxLength: 200 })
  const like = (prefix: number[]) => some.map((rest) => new Uint8Array([...prefix, ...rest]))
  const text = fc.string({ unit: 'binary' }).map((s) => new TextEncoder().encode(`data=${s}`))
  await fc.assert(
    fc.asyncProperty(fc.oneof(some, like([0x1f, 0x8b, 8]), text), async (bytes) => {
      await unwrap(new Uint8Array(bytes)).catch((error) =>
        expect(error).toBeInstanceOf(HttpProblem),
      )
    }),
    { numRuns: 1_000 },
  )
})
