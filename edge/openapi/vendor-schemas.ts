import { LIMITS } from '../../contract/limits.ts'
import type { Schema } from './operation.ts'
import { object, ref, text } from './schema-helpers.ts'

/** What vendors' libraries send. Loose where an invalid event becomes a dead letter instead of an error. */

// CloudEvents' strings contain no control characters.
const attribute = { type: 'string', minLength: 1, pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]+$' }
const optional = { anyOf: [attribute, { type: 'null' }] }
const anything: Schema = {}
/** What extensions may be besides strings. null means that the extension is absent. */
const PLAIN: Schema = { type: ['integer', 'boolean', 'null'] }
const NOT_NULL: Schema = { not: { type: 'null' } }

export const VENDOR_SCHEMAS: Readonly<Record<string, Schema>> = {
  LegacyAccepted: object(
    {
      status: { const: 'accepted' },
      event_id: text('For one bare event.'),
      count: {
        type: 'integer',
        minimum: 0,
        description: 'For several events: how many were accepted.',
      },
      event_ids: { type: 'array', items: { type: 'string' }, description: 'For several events.' },
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
      partitionkey: { description: 'Events with the same key stay in order.', ...optional },
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
      messageId: text('Kept across retries, so that the event counts once.'),
      userId: anything,
      anonymousId: anything,
      timestamp: anything,
      sentAt: anything,
      properties: anything,
      traits: anything,
      context: anything,
      writeKey: text('The API key, if no header carries it.'),
    },
    [],
    { description: 'One call of Segment’s spec. An invalid one becomes a dead letter.' },
  ),
  SegmentBatch: object(
    {
      batch: { type: 'array', items: ref('SegmentMessage') },
      sentAt: anything,
      context: anything,
      integrations: anything,
      writeKey: text('The API key, if no header carries it.'),
    },
    ['batch'],
  ),
  PostHogEvent: object(
    {
      event: text('The name; PostHog’s own begin with `$`.'),
      distinct_id: anything,
      uuid: text('Kept across retries, so that the event counts once.'),
      timestamp: anything,
      properties: anything,
      api_key: text('The API key; `token` is read as well.'),
      sent_at: anything,
    },
    [],
    { description: 'An invalid event becomes a dead letter.' },
  ),
  PostHogBatch: object(
    {
      batch: { type: 'array', items: ref('PostHogEvent') },
      api_key: text('The API key; `token` is read as well.'),
      sent_at: anything,
      historical_migration: {
        type: 'boolean',
        description: 'Honoured for a key that may import history.',
      },
    },
    ['batch'],
  ),
}
