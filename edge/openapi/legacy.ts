import { HEADERS_OF_COUNTED } from './components.ts'
import type { Operation } from './operation.ts'
import {
  acceptedAnswer,
  BEARER,
  JSON_TYPE,
  KEY_ANYWHERE,
  MADE_ID,
  REQUEST_ID,
  TOLD,
} from './responses.ts'
import { ref } from './schema-helpers.ts'

/** The paths of the systems that came before; the answer has the words of each on top. */
export const classic: readonly Operation[] = [
  {
    id: 'sendClassic',
    method: 'post',
    paths: ['/ingest', '/events', '/api/v1/events', '/api/v1/events/batch'],
    group: 'classic',
    summary: 'Send events as to an older collector',
    description:
      'The bodies are those of `/v1/events`; fields may have the names that those collectors gave them. The answer begins with the words that their clients look for.',
    parameters: ['historical', 'idempotencyKey'],
    security: KEY_ANYWHERE,
    body: {
      'application/json': { oneOf: [ref('Event'), ref('Events'), ref('Envelope')] },
      'text/plain': { oneOf: [ref('Event'), ref('Events'), ref('Envelope')] },
    },
    answers: {
      202: {
        description: 'In the log.',
        type: 'application/json',
        schema: ref('ClassicAccepted'),
        headers: [...HEADERS_OF_COUNTED, 'Idempotency-Replayed'],
      },
    },
    refusals: [...TOLD, 'SENT_AT_INVALID'],
    examples: [
      {
        says: 'One event to /ingest',
        path: '/ingest',
        headers: { ...BEARER, ...JSON_TYPE },
        body: { event: 'page_view', user_id: 'u123', page: '/pricing' },
        status: 202,
        answer: one(MADE_ID),
      },
      {
        says: 'A batch to /api/v1/events/batch',
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
        answer: {
          status: 'accepted',
          count: 1,
          event_ids: [MADE_ID],
          ...(acceptedAnswer([MADE_ID]) as object),
        },
      },
      {
        says: 'One event to /events',
        path: '/events',
        headers: { ...BEARER, ...JSON_TYPE },
        body: { event_id: 'a-1', event_type: 'order', schema_version: 1, payload: { total: 12 } },
        status: 202,
        answer: one('a-1'),
      },
    ],
  },
]

function one(id: string) {
  const { events, errors } = acceptedAnswer([id], true) as { events: unknown; errors: unknown }
  return {
    status: 'accepted',
    event_id: id,
    duplicate: false,
    request_id: REQUEST_ID,
    accepted: 1,
    rejected: 0,
    events,
    errors,
  }
}
