import { RATE_LIMIT_HEADERS } from './components.ts'
import type { Operation } from './operation.ts'
import { ALL_ERRORS, BEARER, JSON_TYPE, KEY_ANYWHERE } from './responses.ts'
import { object, text } from './schema-helpers.ts'

const attributes = {
  type: 'array',
  items: object({ key: { type: 'string', minLength: 1 }, value: { type: 'object' } }, ['key']),
}

const logRecord = object(
  {
    eventName: text('The name of the event.'),
    timeUnixNano: { type: ['string', 'integer'] },
    observedTimeUnixNano: { type: ['string', 'integer'] },
    attributes,
    body: { type: ['object', 'null'], description: 'An AnyValue; the property `body`.' },
  },
  ['eventName'],
  { description: 'What has no field of its own is kept in the context.' },
)

/** OpenTelemetry's logs. Its exporters report `partialSuccess`. */
export const otlp: readonly Operation[] = [
  {
    id: 'otlpLogs',
    method: 'post',
    paths: ['/v1/logs'],
    group: 'otlp',
    summary: 'Send events as log records',
    description:
      'OTLP/HTTP with JSON. A log record with an event name is an event: its attributes are the properties, those of its resource the context. Records that are not valid are counted in `partialSuccess` and not stored. Protobuf gets 415.',
    parameters: ['historical', 'idempotencyKey'],
    security: KEY_ANYWHERE,
    body: {
      'application/json': object({
        resourceLogs: {
          type: 'array',
          items: object({
            resource: object({ attributes }),
            scopeLogs: {
              type: 'array',
              items: object({
                scope: { type: 'object' },
                logRecords: { type: 'array', items: logRecord },
              }),
            },
          }),
        },
      }),
    },
    responses: {
      200: {
        description: 'The log has acknowledged all records but those that are counted as rejected.',
        type: 'application/json',
        schema: object({
          partialSuccess: object({
            rejectedLogRecords: { type: 'string', pattern: '^[1-9][0-9]*$' },
            errorMessage: { type: 'string' },
          }),
        }),
        headers: [...RATE_LIMIT_HEADERS, 'Idempotency-Replayed'],
      },
    },
    errors: ALL_ERRORS,
    errorSchema: object({ message: { type: 'string' } }, ['message']),
    examples: [
      {
        title: 'A log record with an event name',
        headers: { ...BEARER, ...JSON_TYPE },
        body: {
          resourceLogs: [
            {
              resource: {
                attributes: [{ key: 'service.name', value: { stringValue: 'checkout' } }],
              },
              scopeLogs: [
                {
                  logRecords: [
                    {
                      eventName: 'order.placed',
                      attributes: [
                        { key: 'user.id', value: { stringValue: 'u123' } },
                        { key: 'items', value: { intValue: '3' } },
                      ],
                    },
                  ],
                },
              ],
            },
          ],
        },
        status: 200,
        response: {},
      },
    ],
  },
]
