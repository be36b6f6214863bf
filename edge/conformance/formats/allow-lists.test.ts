import { expect, it } from 'vitest'
import { LIMITS } from '../../../contract/limits.ts'
import { describeEdges } from '../../testing/edge-harness.ts'

describeEdges('a public key with allow-lists', (harness) => {
  const newKey = (lists: object) => harness.newKey({ kind: 'pub', ...lists })
  const errorsOf = (json: { errors: { index: number; pointer: string; code: string }[] }) =>
    json.errors.map(({ index, pointer, code }) => `${index} ${pointer} ${code}`)

  it('accepts the events on its list, and rejects others by the pointer of their name', async () => {
    const key = newKey({ allowed_events: ['page_view', 'café', '$pageview'] })
    const sent = [
      { event: 'page_view' },
      { name: ' cafe\u0301 ' },
      { event: 'Page_view' },
      { event_type: 'order', value: 4_990 },
    ]
    const { status, json } = await harness.post(key, sent)
    expect([status, json.accepted]).toEqual([202, 2])
    expect(errorsOf(json)).toEqual([
      '2 /event EVENT_NOT_ALLOWED',
      '3 /event_type EVENT_NOT_ALLOWED',
    ])
  })

  it('rejects properties that are not on its list, wherever the event has them', async () => {
    const key = newKey({ allowed_properties: ['page', 'a/b'] })
    const sent = [
      {
        event: 'a',
        actor: 'u1',
        page: '/',
        properties: { 'a/b': { nested: 1 } },
        context: { x: 1 },
      },
      { event: 'a', email: 'a@b.example', properties: { page: '/', 'c/d': 1 } },
      { event: 'a' },
    ]
    const { status, json } = await harness.post(key, sent)
    expect([status, json.accepted]).toEqual([202, 2])
    expect(errorsOf(json)).toEqual([
      '1 /email PROPERTY_NOT_ALLOWED',
      '1 /properties/c~1d PROPERTY_NOT_ALLOWED',
    ])
  })

  it('rejects all names, and all properties, where its list is empty', async () => {
    const none = await harness.post(newKey({ allowed_events: [] }), { event: 'a' })
    expect([none.status, none.json.code]).toEqual([422, 'EVENTS_INVALID'])
    const key = newKey({ allowed_properties: [] })
    expect((await harness.post(key, { event: 'a', actor: 'u' })).status).toBe(202)
    expect((await harness.post(key, { event: 'a', x: 1 })).status).toBe(422)
  })

  it('lists at most 20 properties of an event', async () => {
    const properties = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`p${i}`, i]))
    const { json } = await harness.post(newKey({ allowed_properties: [] }), {
      event: 'a',
      properties,
    })
    expect(json.errors).toHaveLength(20)
  })

  it('makes a dead letter of an event that is not on its list where clients drop on 4xx', async () => {
    const key = newKey({ allowed_events: ['order'] })
    const sent = { batch: [{ event: '$pageview', distinct_id: 'u', api_key: key }], api_key: key }
    const { status } = await harness.post(key, sent, { path: '/batch' })
    expect(status).toBe(200)
    const record = JSON.parse(harness.gateway.records.at(-1)?.value ?? '')
    expect(record.refused).toMatchObject([{ code: 'EVENT_NOT_ALLOWED', pointer: '/event' }])
  })

  it('works as before where its record is of a core that knew no lists', async () => {
    const key = newKey({ allowed_events: undefined, allowed_properties: undefined })
    expect((await harness.post(key, { event: 'a', x: 1 })).status).toBe(202)
  })

  it('takes lists of the greatest length', async () => {
    const names = Array.from({ length: LIMITS.keyAllowedEventsMax }, (_, i) => `name ${i}`)
    const key = newKey({ allowed_events: names, allowed_properties: names })
    const event = { event: names.at(-1), [names.at(-1) as string]: 1 }
    expect((await harness.post(key, event)).status).toBe(202)
  })
})
