import { beaconExamples } from './browser.ts'
import { cloudEventBodies, cloudEventExamples } from './cloudevents.ts'
import { ndjsonBodies, ndjsonExamples, resultLines } from './ndjson.ts'
import type { Operation } from './operation.ts'
import {
  ALL_ERRORS,
  acceptedExample,
  acceptedResponse,
  BEARER,
  GENERATED_ID,
  JSON_TYPE,
  KEY_ANYWHERE,
  REQUEST_ID,
  STREAM_ERRORS,
} from './responses.ts'
import { ref } from './schema-helpers.ts'

/** Our own format. */
export const sluice: readonly Operation[] = [
  {
    id: 'sendEvents',
    method: 'post',
    paths: ['/v1/events'],
    group: 'sluice',
    summary: 'Send events',
    description:
      'One event, an array or an envelope. Invalid events do not stop the others: each is listed in `errors`. If no event is valid, the status is 422. With `ce-` headers the request is a CloudEvent in binary mode, and the body is its data, of whatever type.',
    parameters: ['historical', 'idempotencyKey'],
    security: KEY_ANYWHERE,
    body: {
      'application/json': { oneOf: [ref('Event'), ref('Events'), ref('Envelope')] },
      'text/plain': { oneOf: [ref('Event'), ref('Events'), ref('Envelope')] },
      ...ndjsonBodies,
      ...cloudEventBodies,
    },
    responses: {
      202: { ...acceptedResponse, alternatives: { 'application/x-ndjson': resultLines } },
    },
    errors: [...ALL_ERRORS, ...STREAM_ERRORS, 'SENT_AT_INVALID'],
    examples: [
      {
        title: 'One event',
        headers: { ...BEARER, ...JSON_TYPE },
        body: { event: 'page_view', user_id: 'u123', page: '/pricing' },
        status: 202,
        response: acceptedExample([GENERATED_ID], true),
      },
      {
        title: 'An array',
        headers: { ...BEARER, ...JSON_TYPE },
        body: [
          { event: 'signup', user_id: 'u123', plan: 'team' },
          { event: 'order', user_id: 'u123', value: 49.9, properties: { currency: 'EUR' } },
        ],
        status: 202,
        response: acceptedExample([GENERATED_ID, GENERATED_ID]),
      },
      {
        title: 'An envelope with one invalid event',
        headers: { ...BEARER, ...JSON_TYPE },
        body: { events: [{ event: 'signup', user_id: 'u123' }, { user_id: 'u124' }] },
        isInvalid: true,
        status: 202,
        response: {
          ...(acceptedExample([GENERATED_ID]) as object),
          rejected: 1,
          errors: [
            {
              index: 1,
              pointer: '/name',
              code: 'NAME_MISSING',
              detail: 'is missing: an event needs a name (name, event, event_type or event_name)',
            },
          ],
        },
      },
      {
        title: 'An id of your own: sent twice, it counts once',
        headers: { ...BEARER, ...JSON_TYPE },
        body: { event_id: 'order-1001', event: 'order', user_id: 'u123', value: 49.9 },
        status: 202,
        response: acceptedExample(['order-1001'], true),
      },
      {
        title: 'An Idempotency-Key: sent again, the request gets the first response',
        headers: { ...BEARER, ...JSON_TYPE, 'Idempotency-Key': '"checkout-7c1e"' },
        body: { event: 'checkout', user_id: 'u123' },
        status: 202,
        response: acceptedExample([GENERATED_ID], true),
      },
      {
        title: 'An import of old events, with a key that may import history',
        path: '/v1/events?historical=true',
        headers: { ...BEARER, ...JSON_TYPE },
        body: { event: 'signup', user_id: 'u7', timestamp: '2019-05-04T12:00:00+02:00' },
        status: 202,
        response: acceptedExample([GENERATED_ID], true),
        needs: { may_import_history: true },
      },
      {
        title: 'An event without a name is rejected with its reason',
        headers: { ...BEARER, ...JSON_TYPE },
        body: { user_id: 'u123' },
        isInvalid: true,
        status: 422,
        response: {
          type: 'urn:sluice:problem:events-invalid',
          title: "No event could be accepted; each one's reason is listed.",
          status: 422,
          detail: "No event could be accepted; each one's reason is listed.",
          instance: '/v1/events',
          code: 'EVENTS_INVALID',
          request_id: REQUEST_ID,
          errors: [
            {
              index: 0,
              pointer: '/name',
              code: 'NAME_MISSING',
              detail: 'is missing: an event needs a name (name, event, event_type or event_name)',
            },
          ],
        },
      },
      ...ndjsonExamples,
      ...cloudEventExamples,
      ...beaconExamples,
    ],
  },
]
