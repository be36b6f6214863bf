import { LIMITS } from '../../contract/limits.ts'
import type { GroupId, Schema, SecurityName } from './operation.ts'

/** Headers of answers, by the names that operations use. */
export const HEADERS: Readonly<Record<string, Schema>> = {
  'X-Request-Id': header('Yours, when you sent a sane one; else a new one.', true),
  'Access-Control-Allow-Origin': header(
    'Every page may read the answer, or the one that asked when its key has a list of origins.',
    true,
  ),
  RateLimit: header(
    'What is left, and in how many seconds all of it will be there again: `"key";r=99;t=1, "tenant";r=299;t=1`.',
  ),
  'RateLimit-Policy': header(
    'How many events are allowed in how many seconds: `"key";q=100;w=60, "tenant";q=300;w=60`.',
  ),
  'Retry-After': header('Whole seconds; never earlier than the truth.', false, {
    pattern: '^[1-9][0-9]*$',
  }),
  'Sluice-Degraded': header(
    'Redis is away: everybody is let in, each edge counts for itself, or nobody is, as whoever runs it has said.',
    false,
    { pattern: '^redis;policy=(fail-open|local|fail-closed)$' },
  ),
  'Idempotency-Replayed': header('The answer of the first time.', false, { const: 'true' }),
  'WWW-Authenticate': header('Which scheme the key is asked for in.'),
  'Accept-Post': header('The media types that this path takes.'),
  'Accept-Encoding': header('The encodings that a body may have.'),
  'Cache-Control': header('How long the answer may be kept.'),
  'Content-Security-Policy': header('Nothing from elsewhere is loaded.'),
  'X-Content-Type-Options': header('The type is meant.', false, { const: 'nosniff' }),
  'Referrer-Policy': header('Nobody is told where a link was.'),
  'Cross-Origin-Opener-Policy': header('Other pages get no hold of this one.'),
  'Cross-Origin-Resource-Policy': header('Who may embed it.'),
  'Timing-Allow-Origin': header('Who may see how long it took.'),
  ETag: header('Which one it is.'),
}

/** On every answer. */
export const COMMON_HEADERS = ['X-Request-Id', 'Access-Control-Allow-Origin'] as const
/** On every answer to events that were counted. */
export const RATE_LIMIT_HEADERS = ['RateLimit', 'RateLimit-Policy', 'Sluice-Degraded'] as const

/** By the names that operations use. */
export const PARAMETERS: Readonly<Record<string, Schema>> = {
  historical: {
    name: 'historical',
    in: 'query',
    description:
      'Imports old events: no limit of age, and live numbers are not called late. For keys that may.',
    schema: { enum: ['true', 'false'] },
  },
  idempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    description: `The same key with the same body gets the same answer for ${LIMITS.idempotencyResultMs / 60_000} minutes, and the events count once. Quoted or bare.`,
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
    description: `Comes back, and stands in every record and log; anything odd or longer than ${LIMITS.requestIdCharsMax} characters is replaced.`,
    schema: { type: 'string' },
  },
  pixelName: {
    name: 'name',
    in: 'query',
    description: 'What happened.',
    schema: { type: 'string', maxLength: LIMITS.eventNameCharsMax },
  },
  ifNoneMatch: {
    name: 'If-None-Match',
    in: 'header',
    description: 'The ETag of the one you have.',
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
    description: 'The API key; it is not looked at.',
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
    description: 'The key as the user, no password: what Segment’s libraries send.',
  },
  query: {
    type: 'apiKey',
    in: 'query',
    name: 'key',
    description:
      'Public keys only (`slc_pub_…`): they can only write, so they may stand in a page.',
  },
}

/** The families of ways in, in the order of the page. */
export const GROUPS: Readonly<Record<GroupId, { title: string; says: string }>> = {
  sluice: {
    title: 'Events',
    says: 'One event, an array, or an envelope. 202 means that the log has them, and says what became of each.',
  },
  ndjson: {
    title: 'NDJSON',
    says: 'One event a line, read and published while it streams in. A bad line never fails the others.',
  },
  cloudevents: {
    title: 'CloudEvents',
    says: 'CloudEvents 1.0, structured, binary or in a batch. The id and the source together are the identity.',
  },
  segment: {
    title: 'Segment',
    says: 'Segment’s libraries work unchanged but for the host. The write key is the API key.',
  },
  posthog: {
    title: 'PostHog',
    says: 'PostHog’s libraries work unchanged but for the host. The project key is the API key. Every path may end with a slash.',
  },
  classic: {
    title: 'Classic paths',
    says: 'Clients written for older collectors keep their paths, and get the answers they know.',
  },
  browser: {
    title: 'Browser',
    says: 'From a page: our own small script, a beacon, or a pixel. With a public key, which can only write.',
  },
  service: { title: 'Service', says: 'About the edge itself; no key needed.' },
}

function header(description: string, required = false, schema: Schema = {}): Schema {
  return { description, ...(required && { required }), schema: { type: 'string', ...schema } }
}
