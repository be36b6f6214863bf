import { RATE_LIMIT_HEADERS } from './components.ts'
import type { Operation, ResponseDoc, Schema } from './operation.ts'
import { JSON_TYPE, KEY_IN_BODY, REQUEST_ERRORS } from './responses.ts'
import { object } from './schema-helpers.ts'

const event = object({ event: { type: 'string' }, properties: { type: 'object' } })
/** Any media type is read; these are what the libraries send. */
const bodies: Readonly<Record<string, Schema>> = {
  'application/json': { anyOf: [event, { type: 'array', items: event }] },
  'text/plain': {},
  'application/x-www-form-urlencoded': object({ data: { type: 'string' } }, ['data']),
}
const verbose = object({ status: { const: 1 }, error: { type: 'null' } }, ['status'])
const imported = object(
  {
    code: { type: 'integer' },
    num_records_imported: { type: 'integer', minimum: 0 },
    status: { type: 'string' },
    error: { type: 'string' },
    failed_records: { type: 'array', items: { type: 'object' } },
  },
  ['code', 'num_records_imported', 'status'],
)

const acknowledged = (json: Schema): ResponseDoc => ({
  description: 'The log has acknowledged the events; invalid ones become dead letters.',
  type: 'text/plain',
  schema: { const: '1' },
  alternatives: { 'application/json': json },
  headers: [...RATE_LIMIT_HEADERS, 'Idempotency-Replayed'],
})

const shared = {
  group: 'vendors',
  parameters: ['historical'],
  security: KEY_IN_BODY,
  errors: REQUEST_ERRORS,
} as const

/** Mixpanel's ingestion API. Every path may end with a slash. */
export const mixpanel: readonly Operation[] = [
  {
    ...shared,
    id: 'mixpanelTrack',
    method: 'post',
    paths: ['/track'],
    summary: 'Mixpanel: send events',
    description:
      'JSON, or JSON in base64 as the field `data` of a form. With `verbose=1` the response is JSON. Events of PostHog’s oldest libraries are read as such, and get their response.',
    body: bodies,
    responses: { 200: acknowledged(verbose) },
    examples: [
      {
        title: 'Mixpanel: one event',
        headers: JSON_TYPE,
        body: {
          event: 'Signed Up',
          properties: { token: '$KEY', distinct_id: 'u123', $insert_id: 'm-1', plan: 'team' },
        },
        status: 200,
        response: '1',
      },
    ],
  },
  {
    ...shared,
    id: 'mixpanelTrackGet',
    method: 'get',
    paths: ['/track'],
    summary: 'Mixpanel: send an event in the address',
    description: 'JSON in base64 as `data`; its token must be a public key.',
    responses: { 200: acknowledged(verbose) },
    examples: [],
  },
  {
    ...shared,
    id: 'mixpanelImport',
    method: 'post',
    paths: ['/import'],
    summary: 'Mixpanel: import events of any age',
    description:
      'For keys that may import history; with other keys, events that are too old become dead letters. With `strict=1` a batch with invalid events gets 400 and `failed_records`; these are dead letters all the same, and the others are imported.',
    body: { ...bodies, 'application/x-ndjson': {} },
    responses: { 200: acknowledged({ anyOf: [imported, verbose] }) },
    errorSchema: imported,
    examples: [
      {
        title: 'Mixpanel: an import',
        headers: { Authorization: 'Basic $BASIC', ...JSON_TYPE },
        body: [{ event: 'Signed Up', properties: { distinct_id: 'u123', $insert_id: 'm-2' } }],
        status: 200,
        response: { code: 200, num_records_imported: 1, status: 'OK' },
      },
    ],
  },
  {
    ...shared,
    id: 'mixpanelImportGet',
    method: 'get',
    paths: ['/import'],
    summary: 'Mixpanel: import an event in the address',
    description: 'As its oldest libraries do; the token must be a public key.',
    responses: { 200: acknowledged(verbose) },
    examples: [],
  },
]
