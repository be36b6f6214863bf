import { LIMITS } from '../../contract/limits.ts'
import type { GroupId, Schema, SecurityName } from './operation.ts'

/** Response headers, by the names that operations use. */
export const HEADERS: Readonly<Record<string, Schema>> = {
  'X-Request-Id': header('The request’s own, if valid; else a new one.', true),
  'Access-Control-Allow-Origin': header('Which origin may read the response.', true),
  RateLimit: header(
    'What remains of each limit, and in how many seconds it is full again: `"key";r=99;t=1, "tenant";r=299;t=1`.',
  ),
  'RateLimit-Policy': header(
    'How many events are allowed in how many seconds: `"key";q=100;w=60, "tenant";q=300;w=60`.',
  ),
  'Retry-After': header('Whole seconds to wait.', false, {
    pattern: '^[1-9][0-9]*$',
  }),
  'Sluice-Degraded': header(
    'Redis is unavailable; the value names the failure policy that holds.',
    false,
    { pattern: '^redis;policy=(fail-open|local|fail-closed)$' },
  ),
  'Idempotency-Replayed': header('The stored response of an earlier request.', false, {
    const: 'true',
  }),
  'WWW-Authenticate': header('The authentication scheme.'),
  'Accept-Post': header('The media types that this path accepts.'),
  'Accept-Encoding': header('The encodings that a body may have.'),
  'Cache-Control': header('How long the response may be cached.'),
  'Content-Security-Policy': header('Nothing is loaded from other origins.'),
  'Reporting-Endpoints': header('Where browsers report what broke that policy.'),
  'X-Content-Type-Options': header('The Content-Type must not be guessed.', false, {
    const: 'nosniff',
  }),
  'Referrer-Policy': header('Links send no referrer.'),
  'Cross-Origin-Opener-Policy': header('Isolates the page from other origins.'),
  'Cross-Origin-Resource-Policy': header('Which origins may embed it.'),
  'Timing-Allow-Origin': header('Which origins may read its timing.'),
  ETag: header('The version of the content.'),
}

/** On every response. */
export const COMMON_HEADERS = ['X-Request-Id', 'Access-Control-Allow-Origin'] as const
/** On every response to events that the rate limit counted. */
export const RATE_LIMIT_HEADERS = ['RateLimit', 'RateLimit-Policy', 'Sluice-Degraded'] as const

/** By the names that operations use. */
export const PARAMETERS: Readonly<Record<string, Schema>> = {
  historical: {
    name: 'historical',
    in: 'query',
    description:
      'Imports old events: no age limit, and they do not count as late. For keys that may import history.',
    schema: { enum: ['true', 'false'] },
  },
  idempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    description: `The same key with the same body gets the same response for ${LIMITS.idempotencyResultMs / 60_000} minutes, and the events count once. Quoted or bare.`,
    schema: {
      type: 'string',
      minLength: 1,
      maxLength: LIMITS.idempotencyKeyCharsMax,
      // Quotes belong to the header's other form.
      pattern: '^[!#-~]+$',
    },
  },
  requestId: {
    name: 'X-Request-Id',
    in: 'header',
    description: `Returned, and part of every record; at most ${LIMITS.requestIdCharsMax} characters. An invalid one is replaced.`,
    schema: { type: 'string' },
  },
  pixelName: {
    name: 'name',
    in: 'query',
    description: 'The name of the event.',
    schema: { type: 'string', maxLength: LIMITS.eventNameCharsMax },
  },
  ifNoneMatch: {
    name: 'If-None-Match',
    in: 'header',
    description: 'The ETag of the cached script.',
    schema: { type: 'string' },
  },
  writeKey: {
    name: 'writeKey',
    in: 'path',
    required: true,
    description: 'A public key (`slc_pub_…`).',
    schema: { type: 'string' },
  },
  token: {
    name: 'token',
    in: 'path',
    required: true,
    description: 'The API key; it is not checked.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9_-]{1,128}$' },
  },
}

/** Ways of sending the key. */
export const SECURITY: Readonly<Record<Exclude<SecurityName, 'body'>, Schema>> = {
  bearer: { type: 'http', scheme: 'bearer', description: '`Authorization: Bearer slc_…`' },
  header: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
  basic: {
    type: 'http',
    scheme: 'basic',
    description: 'The key as the user name, without a password: what Segment’s libraries send.',
  },
  query: {
    type: 'apiKey',
    in: 'query',
    name: 'key',
    description: 'Public keys only (`slc_pub_…`), which can only write.',
  },
}

/** The groups of operations, in the order of the page. */
export const GROUPS: Readonly<Record<GroupId, { title: string; description: string }>> = {
  sluice: {
    title: 'Events',
    description:
      'One event, an array, or an envelope. 202 means that the log has acknowledged them; the response lists the outcome of each.',
  },
  ndjson: {
    title: 'NDJSON',
    description:
      'One event a line, read and published while it streams in. An invalid line never fails the others.',
  },
  cloudevents: {
    title: 'CloudEvents',
    description:
      'CloudEvents 1.0, structured, binary or in a batch. `source` and `id` together identify an event.',
  },
  segment: {
    title: 'Segment',
    description:
      'Segment’s libraries work unchanged except for the host. The write key is the API key.',
  },
  posthog: {
    title: 'PostHog',
    description:
      'PostHog’s libraries work unchanged except for the host. The project key is the API key. Every path may end with a slash.',
  },
  otlp: {
    title: 'OpenTelemetry',
    description:
      'OTLP/HTTP with JSON: log records that have an event name. The key is a header of the exporter.',
  },
  vendors: {
    title: 'Other SDKs',
    description:
      'RudderStack, Mixpanel, Amplitude, Google Analytics 4, Plausible, Umami, Jitsu and Snowplow: their libraries work with the host and the key changed. An invalid event becomes a dead letter.',
  },
  legacy: {
    title: 'Legacy formats',
    description: 'Compatibility endpoints for clients of older collectors.',
  },
  browser: {
    title: 'Browser',
    description: 'From a page: a script, a beacon, or a pixel, with a public key.',
  },
  service: { title: 'Service', description: 'About the edge itself; no key needed.' },
}

function header(description: string, required = false, schema: Schema = {}): Schema {
  return { description, ...(required && { required }), schema: { type: 'string', ...schema } }
}
