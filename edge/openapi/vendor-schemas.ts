import { LIMITS } from '../../contract/limits.ts'
import type { Schema } from './operation.ts'
import { object, ref, text } from './schema-helpers.ts'

/** What the libraries of others write. Loose where an event that does not fit becomes a dead letter, not a no. */

// CloudEvents' strings hold no control characters.
const attribute = { type: 'string', minLength: 1, pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]+$' }
const optional = { anyOf: [attribute, { type: 'null' }] }
const anything: Schema = {}
/** What extensions may be besides texts. A null says that there is none. */
const PLAIN: Schema = { type: ['integer', 'boolean', 'null'] }
const NOT_NULL: Schema = { not: { type: 'null' } }

export const VENDOR_SCHEMAS: Readonly<Record<string, Schema>> = {
  ClassicAccepted: object(
    {
      status: { const: 'accepted' },
      event_id: text('Of one bare event.'),
      duplicate: { const: false, description: 'Of one bare event.' },
      count: { type: 'integer', minimum: 0, description: 'Of several: how many were taken.' },
      event_ids: { type: 'array', items: { type: 'string' }, description: 'Of several.' },
    },
    ['status'],
    { allOf: [ref('Accepted')] },
  ),
  CloudEvent: object(
    {
      specversion: { const: '1.0' },
      id: { ...attribute, description: 'With `source`, the identity of the event.' },
      source: attribute,
      type: {
        allOf: [attribute, { maxLength: LIMITS.eventNameCharsMax, pattern: '^\\s*[^\\s$]' }],
        description: 'The name of the event.',
      },
      time: { anyOf: [{ type: 'string', format: 'date-time' }, { type: 'null' }] },
      subject: optional,
      datacontenttype: optional,
      dataschema: optional,
      partitionkey: { description: 'Events of one key stay in their order.', ...optional },
      data: { description: 'An object becomes the properties, anything else the property `data`.' },
      data_base64: {
        description: 'Bytes, instead of `data`.',
        anyOf: [
          {
            type: 'string',
            contentEncoding: 'base64',
            pattern: '^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$',
          },
          { type: 'null' },
        ],
      },
    },
    ['specversion', 'id', 'source', 'type'],
    {
      description: 'CloudEvents 1.0 in its JSON form. Other members are extensions.',
      propertyNames: { pattern: '^([a-z0-9]+|data_base64)$' },
      additionalProperties: { anyOf: [{ const: '' }, attribute, PLAIN] },
      not: {
        required: ['data', 'data_base64'],
        properties: { data: NOT_NULL, data_base64: NOT_NULL },
      },
    },
  ),
  SegmentMessage: object(
    {
      type: { enum: ['track', 'identify', 'page', 'screen', 'group', 'alias'] },
      event: text('The name of a track call.'),
      messageId: text('Kept across retries: it counts once.'),
      userId: anything,
      anonymousId: anything,
      timestamp: anything,
      sentAt: anything,
      properties: anything,
      traits: anything,
      context: anything,
      writeKey: text('The API key, where no header has it.'),
    },
    [],
    { description: 'One call of Segment’s spec. What cannot be taken becomes a dead letter.' },
  ),
  SegmentBatch: object(
    {
      batch: { type: 'array', items: ref('SegmentMessage') },
      sentAt: anything,
      context: anything,
      integrations: anything,
      writeKey: text('The API key, where no header has it.'),
    },
    ['batch'],
  ),
  PostHogEvent: object(
    {
      event: text('Its name; PostHog’s own begin with `$`.'),
      distinct_id: anything,
      uuid: text('Kept across retries: it counts once.'),
      timestamp: anything,
      properties: anything,
      api_key: text('The API key; `token` is read too.'),
      sent_at: anything,
    },
    [],
    { description: 'What cannot be taken becomes a dead letter.' },
  ),
  PostHogBatch: object(
    {
      batch: { type: 'array', items: ref('PostHogEvent') },
      api_key: text('The API key; `token` is read too.'),
      sent_at: anything,
      historical_migration: { type: 'boolean', description: 'With a key that may import history.' },
    },
    ['batch'],
  ),
}
