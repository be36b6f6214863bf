import { RATE_LIMIT_HEADERS } from './components.ts'
import { mixpanel } from './mixpanel.ts'
import type { Operation, ResponseDoc, Schema } from './operation.ts'
import { JSON_TYPE, KEY_IN_BODY, REQUEST_ERRORS } from './responses.ts'
import { object, ref, text } from './schema-helpers.ts'

/** Any media type is read; these are what the libraries send. */
const json = (schema: Schema): Readonly<Record<string, Schema>> => ({
  'application/json': schema,
  'text/plain': {},
})

const acknowledged = (type: string | undefined, schema: Schema): ResponseDoc => ({
  description: 'The log has acknowledged the events; invalid ones become dead letters.',
  ...(type && { type, schema }),
  headers: [...RATE_LIMIT_HEADERS, 'Idempotency-Replayed'],
})

const shared = {
  method: 'post',
  group: 'vendors',
  parameters: ['historical'],
  security: KEY_IN_BODY,
  errors: REQUEST_ERRORS,
} as const

const events = { type: 'array', items: { type: 'object' } }

/** Amplitude's libraries read the status in the body. */
export const amplitudeResult = object(
  { code: { const: 200 }, events_ingested: { type: 'integer' } },
  ['code'],
)
export const amplitudeError = object({ code: { type: 'integer' }, error: { type: 'string' } }, [
  'code',
  'error',
])

const amplitude: Operation = {
  ...shared,
  id: 'amplitude',
  paths: ['/2/httpapi'],
  summary: 'Amplitude: send events',
  description: 'The batch API, `/batch`, is read as well.',
  body: json(object({ api_key: text('The API key.'), events }, ['events'])),
  responses: { 200: acknowledged('application/json', amplitudeResult) },
  errorSchema: amplitudeError,
  examples: [
    {
      title: 'Amplitude: one event',
      headers: JSON_TYPE,
      body: {
        api_key: '$KEY',
        events: [{ event_type: 'Signed Up', user_id: 'user-123', insert_id: 'a-1' }],
      },
      status: 200,
    },
  ],
}

const ga4: Operation = {
  ...shared,
  id: 'measurementProtocol',
  paths: ['/mp/collect'],
  summary: 'Google Analytics 4: the Measurement Protocol',
  description:
    'The key is a public one as `api_secret`, or that of the `measurement_id` or `firebase_app_id` in SLUICE_SITE_KEYS, or in a header.',
  body: json(object({ client_id: { type: 'string' }, events }, ['events'])),
  responses: { 204: acknowledged(undefined, {}) },
  examples: [
    {
      title: 'Google Analytics 4: one event',
      path: '/mp/collect?measurement_id=G-1&api_secret=$KEY',
      headers: JSON_TYPE,
      body: { client_id: '1.2', events: [{ name: 'purchase', params: { value: 49.9 } }] },
      status: 204,
      needs: { kind: 'pub' },
    },
  ],
}

const plausible: Operation = {
  ...shared,
  id: 'plausible',
  paths: ['/api/event'],
  summary: 'Plausible: send an event',
  description:
    'The key is that of the `domain` in SLUICE_SITE_KEYS, or `?key=` with a public key, or in a header.',
  body: json(object({ name: { type: 'string' }, domain: { type: 'string' } })),
  responses: { 202: acknowledged('text/plain', { const: 'ok' }) },
  examples: [
    {
      title: 'Plausible: one event',
      path: '/api/event?key=$KEY',
      headers: JSON_TYPE,
      body: { name: 'Signup', domain: 'shop.example', url: 'https://shop.example/' },
      status: 202,
      response: 'ok',
      needs: { kind: 'pub' },
    },
  ],
}

const umami: Operation = {
  ...shared,
  id: 'umami',
  paths: ['/api/send'],
  summary: 'Umami: send an event',
  description:
    'The key is that of the `website` in SLUICE_SITE_KEYS, or stands in its place, or is in a header.',
  body: json(object({ type: { type: 'string' }, payload: { type: 'object' } }, ['payload'])),
  responses: { 200: acknowledged('application/json', { type: 'object' }) },
  examples: [
    {
      title: 'Umami: one event',
      headers: JSON_TYPE,
      body: { type: 'event', payload: { website: '$KEY', name: 'signup', url: '/pricing' } },
      status: 200,
      response: {},
    },
  ],
}

const jitsu: Operation = {
  ...shared,
  id: 'jitsu',
  paths: ['track', 'identify', 'page', 'screen', 'group', 'alias', 'event', 'batch'].flatMap(
    (call) => [`/api/s/s2s/${call}`, `/api/s/${call}`],
  ),
  summary: 'Jitsu: send a call',
  description:
    'Segment’s messages. The key is `X-Write-Key: slc_…:any`; what follows the colon is not read.',
  body: json({ anyOf: [ref('SegmentMessage'), ref('SegmentBatch')] }),
  responses: { 200: acknowledged('application/json', object({ ok: { const: true } }, ['ok'])) },
  examples: [
    {
      title: 'Jitsu: a track call',
      headers: { 'X-Write-Key': '$KEY:any', ...JSON_TYPE },
      body: { type: 'track', event: 'Signed Up', userId: 'u123', messageId: 'j-1' },
      status: 200,
      response: { ok: true },
    },
  ],
}

const snowplow: readonly Operation[] = [
  {
    ...shared,
    id: 'snowplow',
    paths: ['/com.snowplowanalytics.snowplow/tp2'],
    summary: 'Snowplow: send events',
    description:
      'The tracker protocol. The key is that of the app id in SLUICE_SITE_KEYS, or stands in its place, or is in a header.',
    body: json(object({ schema: { type: 'string' }, data: events }, ['data'])),
    responses: { 200: acknowledged('text/plain', { const: 'ok' }) },
    examples: [
      {
        title: 'Snowplow: one event',
        headers: JSON_TYPE,
        body: { schema: 'iglu:a/payload_data/jsonschema/1-0-4', data: [{ e: 'pv', aid: '$KEY' }] },
        status: 200,
        response: 'ok',
      },
    ],
  },
  {
    ...shared,
    id: 'snowplowPixel',
    method: 'get',
    paths: ['/i'],
    summary: 'Snowplow: an event as an image',
    responses: {
      200: {
        description: 'The log has acknowledged the event; an invalid one becomes a dead letter.',
        type: 'image/gif',
        schema: { type: 'string' },
        headers: [
          ...RATE_LIMIT_HEADERS,
          'Cache-Control',
          'Cross-Origin-Resource-Policy',
          'Idempotency-Replayed',
        ],
      },
    },
    errorMediaType: 'image/gif',
    examples: [
      {
        title: 'Snowplow: an image',
        path: '/i?e=pv&aid=$KEY&url=https%3A%2F%2Fshop.example%2F',
        status: 200,
        needs: { kind: 'pub' },
      },
    ],
  },
]

/** Libraries of other products, which drop on a 4xx: an invalid event becomes a dead letter. */
export const vendors: readonly Operation[] = [
  ...mixpanel,
  amplitude,
  ga4,
  plausible,
  umami,
  jitsu,
  ...snowplow,
]
