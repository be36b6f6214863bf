import { ERRORS, ITEM_ERRORS } from '../../contract/errors.ts'
import { SYNONYMS } from '../../contract/event/event.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { Schema } from './operation.ts'
import { count, object, text } from './schema-helpers.ts'
import { VENDOR_SCHEMAS } from './vendor-schemas.ts'

/** A field that is null counts as missing. */
const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: 'null' }] })

const label = (description: string): Schema => ({
  description: `${description} A whole number is taken as its digits.`,
  anyOf: [
    { type: 'string', minLength: 1, maxLength: LIMITS.labelCharsMax },
    // JavaScript's safe integers.
    { type: 'integer', minimum: -(2 ** 53 - 1), maximum: 2 ** 53 - 1 },
    { type: 'null' },
  ],
})

const CONTROL = '\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029'
const INVISIBLE =
  '\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f' +
  '\\u2800\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb'

const name: Schema = {
  type: 'string',
  minLength: 1,
  maxLength: LIMITS.eventNameCharsMax,
  // One line that begins with something visible that is no $; narrower than what is accepted.
  pattern: `^\\s*[^\\s$${CONTROL}${INVISIBLE}][^${CONTROL}]*$`,
  not: { pattern: '^\\s*(\\*|\\(other\\))\\s*$' },
}

const anyObject: Schema = {
  type: 'object',
  maxProperties: LIMITS.propertiesKeysMax,
  propertyNames: { maxLength: LIMITS.propertyKeyCharsMax, not: { const: '__proto__' } },
}

/** What each field accepts, under any of its names. */
const FIELDS: Readonly<Record<keyof typeof SYNONYMS, Schema>> = {
  event_id: orNull({
    description: `Chosen by the client and kept across its retries: the same id counts once within ${24 * LIMITS.dedupeDays} hours of its first arrival. Ids sent with public keys are apart from those of servers.`,
    type: 'string',
    minLength: 1,
    maxLength: LIMITS.eventIdCharsMax,
    pattern: '^[!-~]+$',
  }),
  name,
  occurred_at: {
    description:
      'When it happened: RFC 3339 with an offset, or seconds, milliseconds or microseconds since 1970. Without it, when it was received.',
    anyOf: [
      { type: 'string', format: 'date-time' },
      { type: 'number', minimum: -62_135_596_800, exclusiveMaximum: 1e17 },
      { type: 'null' },
    ],
  },
  actor: label('Who did it.'),
  session: label('In which session.'),
  source: label('What sent it.'),
  value: orNull({
    description: 'The number that sums, minima, maxima and averages are computed from.',
    type: 'number',
    minimum: -LIMITS.valueMax,
    maximum: LIMITS.valueMax,
  }),
  properties: orNull({
    ...anyObject,
    description: 'Anything else. Top-level members that are not fields are added to them.',
  }),
  context: orNull({ ...anyObject, description: 'The context: device, library, campaign …' }),
  schema_version: {
    description: 'The version of the sender’s own schema.',
    anyOf: [
      {
        type: 'string',
        minLength: 1,
        maxLength: LIMITS.schemaVersionCharsMax,
        pattern: '^[!-~]+$',
      },
      { type: 'integer', minimum: -(2 ** 53 - 1), maximum: 2 ** 53 - 1 },
      { type: 'null' },
    ],
  },
}

/** Each field under each of its names; the first that is present counts. */
function eventFields(): Schema {
  return Object.fromEntries(
    Object.entries(SYNONYMS).flatMap(([field, names]) =>
      names
        // `name` is a property like any other where the event has one of the more exact names.
        .filter((synonym) => synonym !== 'name')
        .map((synonym) => [
          synonym,
          field === 'name'
            ? orNull(name)
            : synonym === names[0]
              ? FIELDS[field as keyof typeof FIELDS]
              : {
                  ...FIELDS[field as keyof typeof FIELDS],
                  description: `The same as ${names[0]}.`,
                },
        ]),
    ),
  )
}

const itemError: Schema = object(
  {
    index: { type: 'integer', minimum: 0, description: 'Index in the batch.' },
    pointer: text('JSON pointer (RFC 6901) into that event.'),
    code: { enum: Object.keys(ITEM_ERRORS) },
    detail: text('A description for people.'),
  },
  ['index', 'pointer', 'code', 'detail'],
)

const omitted: Schema = { type: 'integer', minimum: 1 }

export const SCHEMAS = {
  Event: {
    type: 'object',
    description: `One thing that happened. At most ${LIMITS.eventBytesMax / 1024} KiB, ${count(LIMITS.propertiesKeysMax)} keys and ${LIMITS.propertiesDepthMax} levels.`,
    properties: eventFields(),
    propertyNames: { maxLength: LIMITS.propertyKeyCharsMax, not: { const: '__proto__' } },
    anyOf: SYNONYMS.name.map((synonym) => ({
      required: [synonym],
      properties: { [synonym]: name },
    })),
  },
  Events: {
    type: 'array',
    minItems: 1,
    maxItems: LIMITS.batchEventsMax,
    items: { $ref: '#/components/schemas/Event' },
  },
  Envelope: object(
    {
      events: { $ref: '#/components/schemas/Events' },
      sent_at: {
        ...FIELDS.occurred_at,
        description: `When it was sent by the client’s own clock. When that is wrong by ${LIMITS.clockSkewMsMin / 1000} s to ${LIMITS.clockSkewMsMax / 3_600_000} h, the events’ times are corrected by as much.`,
      },
    },
    ['events'],
    // With a name it would be an event with a property `events`.
    { not: { anyOf: SYNONYMS.name.map((synonym) => ({ required: [synonym] })) } },
  ),
  Accepted: object(
    {
      request_id: text('The same as the header X-Request-Id.'),
      event_id: text('For a body of one bare event.'),
      status: { const: 'accepted', description: 'For a body of one bare event.' },
      accepted: { type: 'integer', minimum: 0, description: 'Events in the log.' },
      rejected: { type: 'integer', minimum: 0, description: 'Events in `errors`.' },
      events: {
        type: 'array',
        items: object(
          {
            index: {
              type: 'integer',
              minimum: 0,
              description: 'Index in the batch; not for a body of one bare event.',
            },
            event_id: text('As sent, or generated by the edge.'),
            status: { const: 'accepted' },
            partition: { type: 'integer', minimum: 0 },
            offset: { type: 'integer', minimum: 0 },
          },
          ['event_id', 'status', 'partition', 'offset'],
        ),
      },
      errors: {
        type: 'array',
        maxItems: LIMITS.errorsListedMax,
        items: { $ref: '#/components/schemas/ItemError' },
      },
      lines: { type: 'integer', minimum: 1, description: 'Of a stream: the number of lines.' },
      events_omitted: { ...omitted, description: 'Of a long stream: accepted, but not listed.' },
      errors_omitted: { ...omitted, description: 'Of a long stream: not listed.' },
      warnings_omitted: { ...omitted, description: 'Of a long stream: not listed.' },
      warnings: {
        type: 'array',
        description: 'Events that were accepted, but that will become dead letters.',
        items: object(
          {
            index: { type: 'integer', minimum: 0 },
            code: { enum: ['OCCURRED_AT_IN_FUTURE', 'OCCURRED_AT_TOO_OLD'] },
            detail: { type: 'string' },
          },
          ['index', 'code', 'detail'],
        ),
      },
    },
    ['request_id', 'accepted', 'rejected', 'events', 'errors'],
  ),
  ItemError: itemError,
  Problem: object(
    {
      type: text('urn:sluice:problem: and the code in lower case.', { pattern: '^urn:sluice:' }),
      title: text('The message of the code.'),
      status: { type: 'integer' },
      detail: text('The same, or more specific.'),
      instance: text('The path of the request.'),
      code: { enum: Object.keys(ERRORS) },
      request_id: text('The same as the header X-Request-Id.'),
      errors: {
        type: 'array',
        maxItems: LIMITS.errorsListedMax,
        items: { $ref: '#/components/schemas/ItemError' },
      },
    },
    ['type', 'title', 'status', 'detail', 'instance', 'code', 'request_id'],
    { description: 'RFC 9457.' },
  ),
  ...VENDOR_SCHEMAS,
} satisfies Record<string, Schema>
