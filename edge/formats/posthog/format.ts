import { readTime } from '../../../contract/event/time.ts'
import { isObject } from '../../../contract/json/is-object.ts'
import { elementTexts } from '../../../contract/json/slices.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { HttpProblem } from '../../http/http-problem.ts'
import { queryOf } from '../common/query.ts'
import { numbersByEvent, parseBody } from '../common/read-batch.ts'
import { acceptsMediaType, unwrap } from '../common/unwrap.ts'
import type { IncomingBatch, IngestFormat, IngestResult, RequestBody } from '../ingest-format.ts'
import { type Envelope, type Fields, ignoresSentAt, KEY_FIELDS, keyIn, toEvent } from './event.ts'

/**
 * PostHog's capture API for its published libraries: they drop on a 4xx, halve a batch at 413, and send
 * everything else again with the same uuids.
 * @param status of the response: 1 on the old paths, "Ok" on the newer ones
 */
export function createPostHogFormat(status: 1 | 'Ok'): IngestFormat {
  const body = JSON.stringify({ status })
  return {
    ...capture,
    read: (body) => read(body, false),
    buildResponse: () => ({ status: 200, body }),
  }
}

/** For the paths that posthog-js sends to: it drops on a 429 as on every 4xx, and retries a 503. */
export function createPostHogBrowserFormat(status: 1 | 'Ok'): IngestFormat {
  return { ...createPostHogFormat(status), rateLimitedCode: 'OVERLOADED' }
}

const capture = {
  route: 'posthog',
  onInvalid: 'dead-letter',
  overLimitCode: 'BODY_TOO_LARGE',
  accepts: acceptsMediaType,
  unwrap: async (bytes, _, onInflated) => ({ bytes: await unwrap(bytes, onInflated) }),
} as const satisfies Partial<IngestFormat>

/** Capture v1: the same events, the key in a header, and a result for each of them. */
export const postHogV1Format: IngestFormat = {
  ...capture,
  read: (body) => read(body, true),
  buildResponse: (result) => ({
    status: 200,
    body: JSON.stringify({ results: resultsOf(result) }),
  }),
}

/** `{"batch":[…]}`, an array, or one bare event, on every path. */
function read({ text, request, receivedMs }: RequestBody, v1: boolean): IncomingBatch {
  const body = text()
  const { value, badNumbers } = parseBody(body)
  const envelope = isObject(value) && Array.isArray(value.batch) ? value : undefined
  const events: readonly unknown[] = envelope
    ? (envelope.batch as unknown[])
    : Array.isArray(value)
      ? value
      : [value]
  if (events.length > LIMITS.batchEventsMax)
    // Only a 413 makes its libraries halve a batch.
    throw new HttpProblem('BODY_TOO_LARGE', {
      detail: `The batch holds ${events.length.toLocaleString('en')} events; at most ${LIMITS.batchEventsMax.toLocaleString('en')} are accepted at once. Split it.`,
    })

  const query = queryOf(request)
  const sentAt = sentAtOf(envelope ?? events[0], query, v1 ? request.headers : undefined)
  const library = libraryIn(request.headers)
  const shared: Envelope = {
    sentAt,
    sentMs: millis(sentAt) ?? receivedMs,
    rest: restOf(envelope),
    v1,
    library,
  }
  const isSingleEvent = !envelope && !Array.isArray(value)
  const numbers = numbersByEvent(
    badNumbers,
    envelope ? '/batch' : isSingleEvent ? undefined : '',
    events.length,
  )
  let texts: string[] | undefined
  return {
    isSingleEvent,
    items: events.map((event, index) => ({
      ...toEvent(event, shared),
      badNumbers: numbers[index] ?? [],
    })),
    original(index) {
      texts ??= isSingleEvent ? [body] : elementTexts(body, envelope ? 'batch' : undefined)
      return texts[index] ?? ''
    },
    sentAt: events.length > 0 && events.every(ignoresSentAt) ? undefined : sentAt,
    apiKey: keyOf(envelope, events, query),
    historical: envelope?.historical_migration === true,
    client: library?.join('/') ?? clientIn(events[0]),
  }
}

/** In the body, the query (`_` is posthog-js's), or Capture v1's header. */
function sentAtOf(sent: unknown, query: URLSearchParams, headers: Headers | undefined): unknown {
  const inHeader = headers?.get('posthog-request-timestamp')
  if (inHeader) return inHeader
  if (isObject(sent) && sent.sent_at != null) return sent.sent_at
  const inQuery = query.get('sent_at') ?? query.get('_')
  return inQuery && /^\d{10,16}$/.test(inQuery) ? Number(inQuery) : undefined
}

function millis(time: unknown): number | undefined {
  const read = readTime(time)
  return read.ok ? Date.parse(read.time) : undefined
}

/** The envelope's other members, which are kept in the context. */
function restOf(envelope: Fields | undefined): Fields {
  if (!envelope) return {}
  const { batch: _, sent_at: _1, historical_migration: history, ...rest } = envelope
  for (const field of KEY_FIELDS) delete rest[field]
  const isInstruction = history === undefined || typeof history === 'boolean'
  return isInstruction ? rest : { ...rest, historical_migration: history }
}

/** The envelope's, or that of all events; `?token=` only where it is a public key. */
function keyOf(
  envelope: Fields | undefined,
  events: readonly unknown[],
  query: URLSearchParams,
): string | undefined {
  const shared = keyIn(envelope)
  if (shared) return shared
  const keys = new Set(events.map(keyIn).filter((key) => key !== undefined))
  // Each could belong to another tenant.
  if (keys.size > 1)
    throw new HttpProblem('KEY_UNKNOWN', {
      detail: 'The events of one request carry different API keys.',
    })
  const [own] = keys
  if (own) return own
  const inQuery = query.get('token') ?? query.get('api_key')
  return inQuery?.startsWith('slc_pub_') ? inQuery : undefined
}

function libraryIn(headers: Headers): readonly [string, string] | undefined {
  const [, name, version] = /^([^/]+)\/([^/]+)$/.exec(headers.get('posthog-sdk-info') ?? '') ?? []
  return name && version ? [name, version] : undefined
}

/** posthog-js calls itself "web". */
function clientIn(event: unknown): string | undefined {
  const properties = isObject(event) ? event.properties : undefined
  if (!isObject(properties) || typeof properties.$lib !== 'string') return undefined
  const name = properties.$lib === 'web' ? 'posthog-js' : properties.$lib
  return typeof properties.$lib_version === 'string' ? `${name}/${properties.$lib_version}` : name
}

/** By the uuid as the client wrote it; 'drop' for events that become dead letters. */
function resultsOf({ incoming, accepted, deadLetters, warnings }: IngestResult): Fields {
  const uuidOf = (index: number) => {
    const raw = incoming.items[index]?.raw
    return isObject(raw) && typeof raw.event_id === 'string' ? raw.event_id : undefined
  }
  const results: [string, Fields][] = []
  const add = (index: number, result: string, details?: string) => {
    const uuid = uuidOf(index)
    if (uuid !== undefined) results.push([uuid, { result, ...(details && { details }) }])
  }
  for (const { index } of accepted) add(index, 'ok')
  for (const { index, detail } of warnings) add(index, 'warning', detail)
  for (const { index, errors } of deadLetters)
    add(
      index,
      'drop',
      errors
        .map(({ code, pointer, detail }) => `${code} ${pointer} ${detail}`)
        .join('; ')
        .slice(0, 500),
    )
  // A uuid may be "__proto__": built from entries, not assigned.
  return Object.fromEntries(results)
}
