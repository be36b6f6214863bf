import { RATE_LIMIT_HEADERS } from './components.ts'
import type { Operation, ResponseDoc, Schema } from './operation.ts'
import { JSON_TYPE, KEY_IN_BODY, REQUEST_ERRORS } from './responses.ts'
import { object, ref } from './schema-helpers.ts'
import { amplitudeError, amplitudeResult } from './vendors.ts'

const bodies: Readonly<Record<string, Schema>> = {
  'application/json': {
    anyOf: [
      ref('PostHogBatch'),
      ref('PostHogEvent'),
      { type: 'array', items: ref('PostHogEvent') },
    ],
  },
  'text/plain': { type: 'string' },
  'application/x-www-form-urlencoded': object({ data: { type: 'string' } }, ['data']),
  'application/octet-stream': {},
  'application/gzip': {},
}

const acceptedWith = (schema: Schema): ResponseDoc => ({
  description: 'The log has acknowledged the events; invalid ones become dead letters.',
  type: 'application/json',
  schema,
  headers: [...RATE_LIMIT_HEADERS, 'Idempotency-Replayed'],
})

const shared = {
  method: 'post',
  group: 'posthog',
  parameters: ['historical'],
  security: KEY_IN_BODY,
  body: bodies,
  errors: REQUEST_ERRORS,
} as const

const uuid = '0193f5a2-7c1e-7b44-9a3e-2f7d3c9b6e10'

/** PostHog's capture API. Its libraries drop on a 4xx, except 413: then they halve the batch. */
export const posthog: readonly Operation[] = [
  {
    ...shared,
    id: 'posthogBatch',
    paths: ['/batch', '/capture', '/e', '/engage', '/i/v0/ai/batch'],
    summary: 'Send events as PostHog’s libraries do',
    description:
      'A batch, an array or one event; plain, gzip with or without Content-Encoding, base64, or a form. An invalid event becomes a dead letter with its reason, and the response is 200.',
    responses: {
      // Amplitude’s batch API shares /batch.
      200: acceptedWith({ anyOf: [object({ status: { const: 1 } }, ['status']), amplitudeResult] }),
    },
    errorSchema: amplitudeError,
    examples: [
      {
        title: 'A batch, with the key in the envelope',
        headers: JSON_TYPE,
        body: {
          api_key: '$KEY',
          batch: [
            {
              event: 'signup',
              distinct_id: 'u123',
              uuid,
              properties: { plan: 'team' },
            },
          ],
        },
        status: 200,
        response: { status: 1 },
      },
      {
        title: 'One event',
        path: '/capture',
        headers: JSON_TYPE,
        body: { api_key: '$KEY', event: '$pageview', distinct_id: 'u123' },
        status: 200,
        response: { status: 1 },
      },
    ],
  },
  {
    ...shared,
    id: 'posthogEvents',
    paths: ['/i/v0/e'],
    summary: 'Send events as newer libraries do',
    responses: { 200: acceptedWith(object({ status: { const: 'Ok' } }, ['status'])) },
    examples: [
      {
        title: 'One event to the newer path',
        headers: JSON_TYPE,
        body: { api_key: '$KEY', event: 'signup', distinct_id: 'u123' },
        status: 200,
        response: { status: 'Ok' },
      },
    ],
  },
  {
    ...shared,
    id: 'posthogAnalytics',
    paths: ['/i/v1/analytics/events'],
    summary: 'Send events, with a result for each',
    responses: {
      200: acceptedWith(
        object(
          {
            results: {
              type: 'object',
              description: 'By uuid.',
              additionalProperties: object(
                {
                  result: { enum: ['ok', 'warning', 'drop'] },
                  details: { type: 'string' },
                },
                ['result'],
              ),
            },
          },
          ['results'],
        ),
      ),
    },
    examples: [
      {
        title: 'A result for each event',
        headers: { Authorization: 'Bearer $KEY', ...JSON_TYPE },
        body: { batch: [{ event: 'signup', distinct_id: 'u123', uuid }] },
        status: 200,
        response: { results: { [uuid]: { result: 'ok' } } },
      },
    ],
  },
  ...stubs(),
]

/** What its libraries request besides sending events. */
function stubs(): Operation[] {
  const stub = { group: 'posthog', security: [], errors: [], examples: [] } as const
  const json = (
    description: string,
    schema: Schema = { type: 'object' },
  ): Operation['responses'] => ({
    200: { description, type: 'application/json', schema },
  })
  return [
    {
      ...stub,
      id: 'posthogFlags',
      method: 'post',
      paths: ['/flags', '/decide'],
      summary: 'Feature flags',
      body: bodies,
      responses: json('Always empty.'),
    },
    {
      ...stub,
      id: 'posthogRecordings',
      method: 'post',
      paths: ['/s'],
      summary: 'Session recordings',
      body: bodies,
      responses: json('Accepted and dropped.'),
    },
    {
      ...stub,
      id: 'posthogSurveys',
      method: 'get',
      paths: ['/api/surveys'],
      summary: 'Surveys',
      responses: json('Always empty.'),
    },
    {
      ...stub,
      id: 'posthogConfig',
      method: 'get',
      paths: ['/array/{token}/config'],
      summary: 'The configuration of the browser library',
      parameters: ['token'],
      responses: json('Only sending events is enabled.'),
    },
    {
      ...stub,
      id: 'posthogConfigScript',
      method: 'get',
      paths: ['/array/{token}/config.js'],
      summary: 'The configuration as a script',
      parameters: ['token'],
      responses: {
        200: {
          description: 'Only sending events is enabled.',
          type: 'application/javascript',
          schema: { type: 'string' },
        },
      },
      errors: ['NOT_FOUND'],
    },
  ]
}
