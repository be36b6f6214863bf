import type { Example, Schema } from './operation.ts'
import { acceptedExample, BEARER } from './responses.ts'
import { ref } from './schema-helpers.ts'

/** CloudEvents share the path of our own events; the Content-Type or the `ce-` headers tell them apart. */
export const cloudEventBodies: Readonly<Record<string, Schema>> = {
  'application/cloudevents+json': ref('CloudEvent'),
  'application/cloudevents-batch+json': {
    type: 'array',
    items: ref('CloudEvent'),
  },
}

const order = {
  specversion: '1.0',
  id: 'order-1001',
  source: '/shop',
  type: 'com.example.order',
  data: { total: 49.9, currency: 'EUR' },
}

export const cloudEventExamples: readonly Example[] = [
  {
    title: 'A CloudEvent, structured',
    group: 'cloudevents',
    headers: { ...BEARER, 'Content-Type': 'application/cloudevents+json' },
    body: order,
    status: 202,
    response: acceptedExample(['/shop|order-1001'], true),
  },
  {
    title: 'A CloudEvent, binary: the attributes in headers, the data as the body',
    group: 'cloudevents',
    headers: {
      ...BEARER,
      'Content-Type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': 'order-1002',
      'ce-source': '/shop',
      'ce-type': 'com.example.order',
      'ce-partitionkey': 'customer-7',
    },
    body: { total: 12.5, currency: 'EUR' },
    // The body is the CloudEvent's data, not an event by our schema.
    isInvalid: true,
    status: 202,
    response: acceptedExample(['/shop|order-1002'], true),
  },
  {
    title: 'A batch of CloudEvents',
    group: 'cloudevents',
    headers: { ...BEARER, 'Content-Type': 'application/cloudevents-batch+json' },
    body: [order, { ...order, id: 'order-1003' }],
    status: 202,
    response: acceptedExample(['/shop|order-1001', '/shop|order-1003']),
  },
]
