import { expect, it } from 'vitest'
import { createMemoryEdge, KEY, RECORD } from '../testing/memory-edge.ts'

const schema = (document: object) => [
  { name: 'order', version: 3, schema: JSON.stringify(document) },
]
const PRICE = schema({ properties: { price: { type: 'number' } }, required: ['price'] })

function setUp(event_schemas: typeof PRICE) {
  const published: { topic: string; value: string }[] = []
  const edge = createMemoryEdge({
    findKey: async (key) => (key === KEY ? { ...RECORD, event_schemas } : undefined),
    async publish(records) {
      for (const record of records) published.push(record as (typeof published)[number])
      return records.map(({ topic }, offset) => ({ topic, partition: 0, offset, timestamp: 0 }))
    },
  })
  const post = async (path: string, body: unknown) => {
    const response = await edge.request(path, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }
  return { post, published }
}

const order = (price: unknown) => ({ name: 'order', properties: { price } })
const ERROR = {
  ...{ pointer: '/properties/price', code: 'SCHEMA_VIOLATION' },
  detail: 'is a string and has to be a number (version 3 of the schema)',
}

it('an event that violates a schema is refused with its pointer, and the others of its batch are accepted', async () => {
  const { post, published } = setUp(PRICE)
  expect(await post('/v1/events', order('9'))).toMatchObject({
    status: 422,
    body: { code: 'EVENTS_INVALID', errors: [{ index: 0, ...ERROR }] },
  })
  expect(published).toEqual([])
  const batch = [order(9), order('9'), { name: 'other', properties: { price: '9' } }]
  const { body } = await post('/v1/events', batch)
  expect(body.errors).toEqual([{ index: 1, ...ERROR }])
  expect(published).toHaveLength(2)
})

it('an event of a client that drops on 4xx is logged as refused, and becomes a dead letter', async () => {
  const { post, published } = setUp(PRICE)
  const track = (price: unknown) => ({
    ...{ type: 'track', event: 'order', userId: 'u', properties: { price } },
  })
  const { status } = await post('/v1/batch', { batch: [track('9'), track(9)] })
  expect(status).toBe(200)
  const refused = published.map(({ value }) => JSON.parse(value)).filter((each) => each.refused)
  expect(refused).toMatchObject([{ refused: [{ code: 'SCHEMA_VIOLATION' }] }])
  expect(published).toHaveLength(2)
})

it('a schema that the edge cannot read is left to the worker', async () => {
  const { post, published } = setUp(schema({ keywordOfANewerVersion: true }))
  expect((await post('/v1/events', order('9'))).status).toBe(202)
  expect(published).toHaveLength(1)
})
