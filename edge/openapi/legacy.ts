import { RATE_LIMIT_HEADERS } from './components.ts'
import type { Operation } from './operation.ts'
import {
  ALL_ERRORS,
  acceptedExample,
  BEARER,
  GENERATED_ID,
  JSON_TYPE,
  KEY_ANYWHERE,
  REQUEST_ID,
} from './responses.ts'
import { ref } from './schema-helpers.ts'

/** Compatibility endpoints for clients of older collectors; the response begins with the members that they read. */
export const legacy: readonly Operation[] = [
  {
    id: 'sendLegacy',
    method: 'post',
    paths: ['/ingest', '/events', '/api/v1/events', '/api/v1/events/batch'],
    group: 'legacy',
    summary: 'Send events from older clients',
    description:
      'The bodies of `/v1/events`, with the field names of older collectors. The response begins with the members that their clients read.',
    parameters: ['historical', 'idempotencyKey'],
    security: KEY_ANYWHERE,
    body: {
      'application/json': { oneOf: [ref('Event'), ref('Events'), ref('Envelope')] },
      'text/plain': { oneOf: [ref('Event'), ref('Events'), ref('Envelope')] },
    },
    responses: {
      202: {
        description: 'The log has acknowledged the events.',
        type: 'application/json',
        schema: ref('LegacyAccepted'),
        headers: [...RATE_LIMIT_HEADERS, 'Idempotency-Replayed'],
      },
    },
    errors: [...ALL_ERRORS, 'SENT_AT_INVALID'],
    examples: [
      {
        title: 'One event to /ingest',
        path: '/ingest',
        headers: { ...BEARER, ...JSON_TYPE },
        body: { event: 'page_view', user_id: 'u123', page: '/pricing' },
        status: 202,
        response: singleResponse(GENERATED_ID),
      },
      {
        title: 'A batch to /api/v1/events/batch',
        path: '/api/v1/events/batch',
        headers: { ...BEARER, ...JSON_TYPE },
        body: {
          events: [
            {
              event_name: 'signup',
              user_id: 'u123',
              session_id: 's9',
              properties: { plan: 'team' },
            },
          ],
        },
        status: 202,
        response: {
          status: 'accepted',
          count: 1,
          event_ids: [GENERATED_ID],
          ...(acceptedExample([GENERATED_ID]) as object),
        },
      },
      {
        title: 'One event to /events',
        path: '/events',
        headers: { ...BEARER, ...JSON_TYPE },
        body: { event_id: 'a-1', event_type: 'order', schema_version: 1, payload: { total: 12 } },
        status: 202,
        response: singleResponse('a-1'),
      },
    ],
  },
]

function singleResponse(id: string) {
  const { events, errors } = acceptedExample([id], true) as { events: unknown; errors: unknown }
  return {
    status: 'accepted',
    event_id: id,
    request_id: REQUEST_ID,
    accepted: 1,
    rejected: 0,
    events,
    errors,
  }
}
