import { RATE_LIMIT_HEADERS } from './components.ts'
import type { Operation, ResponseDoc, Schema } from './operation.ts'
import { JSON_TYPE, KEY_IN_BODY, REQUEST_ERRORS } from './responses.ts'
import { object, ref } from './schema-helpers.ts'

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

const taken = (schema: Schema): ResponseDoc => ({
  description: 'In the log; what is no good is there as a dead letter.',
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

/** PostHog's capture API. Its libraries drop what gets a 4xx, except 413: then they halve the batch. */
export const posthog: readonly Operation[] = [
  {
    ...shared,
    id: 'posthogBatch',
    paths: ['/batch', '/capture', '/e', '/engage', '/track', '/i/v0/ai/batch'],
    summary: 'Send events as PostHog’s libraries do',
    description:
      'A batch, an array or one event; plain, gzip with or without a header that says so, base64, or a form. An invalid event becomes a dead letter with its reason, and the answer is 200.',
    responses: { 200: taken(object({ status: { const: 1 } }, ['status'])) },
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
    summary: 'The same, as newer libraries do',
    responses: { 200: taken(object({ status: { const: 'Ok' } }, ['status'])) },
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
    summary: 'The same, with an answer for each event',
    responses: {
      200: taken(
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
        title: 'An answer for each event',
        headers: { Authorization: 'Bearer $KEY', ...JSON_TYPE },
        body: { batch: [{ event: 'signup', distinct_id: 'u123', uuid }] },
        status: 200,
        response: { results: { [uuid]: { result: 'ok' } } },
      },
    ],
  },
  ...stubs(),
]

/** What its libraries ask for beside sending events. */
function stubs(): Operation[] {
  const quiet = { group: 'posthog', security: [], errors: [], examples: [] } as const
  const json = (
    description: string,
    schema: Schema = { type: 'object' },
  ): Operation['responses'] => ({
    200: { description, type: 'application/json', schema },
  })
  return [
    {
      ...quiet,
      id: 'posthogFlags',
      method: 'post',
      paths: ['/flags', '/decide'],
      summary: 'Feature flags',
      body: bodies,
      responses: json('There are none.'),
    },
    {
      ...quiet,
      id: 'posthogRecordings',
      method: 'post',
      paths: ['/s'],
      summary: 'Session recordings',
      body: bodies,
      responses: json('Taken, and dropped.'),
    },
    {
      ...quiet,
      id: 'posthogSurveys',
      method: 'get',
      paths: ['/api/surveys'],
      summary: 'Surveys',
      responses: json('There are none.'),
    },
    {
      ...quiet,
      id: 'posthogConfig',
      method: 'get',
      paths: ['/array/{token}/config'],
      summary: 'What the browser library is to do',
      parameters: ['token'],
      responses: json('Nothing but to send events.'),
    },
    {
      ...quiet,
      id: 'posthogConfigScript',
      method: 'get',
      paths: ['/array/{token}/config.js'],
      summary: 'The same as a script',
      parameters: ['token'],
      responses: {
        200: {
          description: 'Nothing but to send events.',
          type: 'application/javascript',
          schema: { type: 'string' },
        },
      },
      errors: ['NOT_FOUND'],
    },
  ]
}
