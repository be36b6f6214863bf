import fc from 'fast-check'
import { expect, test } from 'vitest'
import { normalise } from '../../../contract/event/normalise.ts'
import type { IncomingBatch } from '../../formats/ingest-format.ts'
import { createSegmentFormat } from '../../formats/segment/format.ts'
import { HttpProblem } from '../../http/http-problem.ts'

const SLUICE_NAMES = [
  'type',
  'anonymous_id',
  '_type',
  'integrations',
  'name',
  'group_id',
  'sessionId',
]
const FIELDS = [
  'event',
  'userId',
  'anonymousId',
  'traits',
  'properties',
  'context',
  'integrations',
  'name',
  'category',
  'groupId',
  'previousId',
  'channel',
  'options',
]

async function read(text: string): Promise<IncomingBatch> {
  const bytes = new TextEncoder().encode(text)
  const request = new Request('http://edge/v1/batch')
  return createSegmentFormat().read({ bytes, request, receivedMs: 0, text: () => text })
}

function validate(incoming: IncomingBatch) {
  return incoming.items.map(({ raw, faults, clientPointer }) => {
    if (faults) return undefined
    const read = normalise(raw, { receivedAt: '2026-11-21T00:00:00Z', eventId: () => 'new' })
    if (!read.ok)
      for (const { pointer } of read.errors)
        expect(clientPointer?.(pointer) ?? '').toBeTypeOf('string')
    return read.ok ? read.json : undefined
  })
}

test('the Segment format reads or rejects any body, and returns the original of each message', async () => {
  const message = fc.oneof(
    fc.jsonValue(),
    fc.dictionary(
      fc.constantFrom(...FIELDS, 'type', 'messageId', 'timestamp', '__proto__'),
      fc.jsonValue(),
    ),
  )
  const envelope = fc.record(
    {
      batch: fc.array(message),
      context: fc.jsonValue(),
      integrations: fc.jsonValue(),
      sentAt: fc.jsonValue(),
    },
    { requiredKeys: [] },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(envelope, message).map((value) => JSON.stringify(value)),
      async (text) => {
        const incoming = await read(text).catch((error) => {
          if (error instanceof HttpProblem) return undefined
          throw error
        })
        if (!incoming) return
        validate(incoming)
        const originals = incoming.items.map((_, index) => incoming.original(index))
        for (const original of originals) expect(text).toContain(original)
        if (!incoming.isSingleEvent)
          expect(originals.map((original) => JSON.parse(original))).toEqual(JSON.parse(text).batch)
      },
    ),
    { numRuns: 500 },
  )
})

test('the Segment format keeps every value of a message except the key', async () => {
  let marks = 0
  const mark = fc.constant(0).map(() => `mark-${++marks}.`)
  const object = fc.dictionary(fc.constantFrom(...SLUICE_NAMES, 'a', 'b'), mark)
  const message = fc.record(
    {
      type: fc.constantFrom('track', 'identify', 'page', 'screen', 'group', 'alias'),
      ...Object.fromEntries(
        FIELDS.map((field) => [
          field,
          ['traits', 'properties', 'context', 'integrations', 'options'].includes(field)
            ? object
            : mark,
        ]),
      ),
    },
    { requiredKeys: ['type'] },
  )
  await fc.assert(
    fc.asyncProperty(message, object, async (sent, context) => {
      const text = JSON.stringify({
        batch: [{ event: 'Named', ...sent }],
        integrations: {},
        context,
      })
      const [json] = validate(await read(text))
      const own = (sent as { context?: object }).context ?? {}
      const texts = JSON.stringify([
        sent,
        Object.entries(context).filter(([key]) => !Object.hasOwn(own, key)),
      ])
      for (const [value] of texts.matchAll(/mark-\d+\./g)) expect(json).toContain(value)
    }),
    { numRuns: 500 },
  )
})
