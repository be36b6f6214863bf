import { ERRORS } from '../../../contract/errors.ts'
import { isObject } from '../../../contract/json/is-object.ts'
import { pointerTo } from '../../../contract/json/json.ts'
import type { Fields, Member } from '../common/add-members.ts'
import {
  type EventMapping,
  epochOf,
  itemOf,
  labelOf,
  mapEvent,
  numberOf,
} from '../common/map-event.ts'
import { batchOf, isCopiable, parseBody, unreadableBody } from '../common/read-batch.ts'
import type { IncomingBatch, IngestFormat, IngestResult, RequestBody } from '../ingest-format.ts'

/**
 * Amplitude's HTTP API V2 and batch API. Its libraries drop the events of a 400, halve a batch at 413, and send
 * everything else again with the same insert_ids; they read the status from `code` in the body.
 */
export const amplitude: IngestFormat = {
  route: 'amplitude',
  onInvalid: 'dead-letter',
  overLimitCode: 'BODY_TOO_LARGE',
  accepts: (mediaType) => ['', '*/*', 'application/json', 'text/plain'].includes(mediaType),
  read,
  buildResponse: (result) => ({ status: 200, body: JSON.stringify(responseOf(result, 0)) }),
  errorBody: ({ code, detail, request_id }) => ({
    code: ERRORS[code].status,
    // What its libraries look for, or they send the same events again.
    error: ERRORS[code].status === 401 ? `Invalid API key: ${detail}` : `${code}: ${detail}`,
    request_id,
  }),
}

const EVENT: EventMapping = {
  fields: {
    event_id: ['insert_id'],
    name: ['event_type'],
    occurred_at: ['time'],
    actor: ['user_id', 'device_id'],
    session: ['session_id'],
    value: ['revenue'],
  },
  read: {
    occurred_at: epochOf,
    // -1 stands for an event outside of sessions.
    session: (value) => (value === -1 ? undefined : labelOf(value)),
    value: numberOf,
  },
  copied: ['value'],
  properties: 'event_properties',
  rest: 'context',
  dropped: ['api_key'],
}

/** For the path that Amplitude's batch API and PostHog share. @param other reads what is not Amplitude's */
export async function readAmplitudeOr(
  body: RequestBody,
  other: IngestFormat,
): Promise<IncomingBatch> {
  const text = body.text()
  // A look at the text first: bodies of PostHog, which are most of them, are parsed once.
  if (!text.includes('"events"')) return other.read(body)
  const { value } = parseBody(text)
  const isAmplitude = isObject(value) && Array.isArray(value.events) && !Array.isArray(value.batch)
  return isAmplitude ? read(body) : other.read(body)
}

/** `{"api_key":…,"events":[…]}` */
function read({ text, bytes }: RequestBody): IncomingBatch {
  const body = text()
  const { value, badNumbers } = parseBody(body)
  if (!isObject(value) || !Array.isArray(value.events))
    return {
      ...unreadableBody(body, {
        code: 'EVENT_NOT_OBJECT',
        pointer: '/events',
        detail: 'must be an array of events',
      }),
      apiKey: keyIn(value),
    }
  const { events, client_upload_time, api_key: _, ...rest } = value
  if (!isCopiable(rest, events.length))
    return {
      ...unreadableBody(body, {
        code: 'EVENT_TOO_LARGE',
        detail: `what surrounds the events is too large to be copied into ${events.length.toLocaleString('en')} of them`,
      }),
      apiKey: keyIn(value),
    }
  const context = membersOf(rest)
  const common = badNumbers.filter(({ pointer }) => !pointer.startsWith('/events/')).slice(0, 1)
  const batch = batchOf({ body, events, at: '/events', badNumbers }, (event, own) => {
    const numbers = [...common, ...own]
    if (!isObject(event)) return { raw: event, badNumbers: numbers }
    return { ...itemOf(mapEvent(event, EVENT, { context }), numbers), systemName: true }
  })
  const library = isObject(events[0]) ? events[0].library : undefined
  return {
    ...batch,
    apiKey: keyIn(value),
    sentAt: client_upload_time,
    client: typeof library === 'string' ? library : undefined,
    format: {
      ...amplitude,
      buildResponse: (result) => ({
        status: 200,
        body: JSON.stringify(responseOf(result, bytes.byteLength)),
      }),
    },
  }
}

/** What an envelope has besides its events, for the context of each. Its libraries send empty objects with all of them. */
function membersOf(rest: Fields): Member[] {
  return Object.entries(rest)
    .filter(([, value]) => holdsValue(value))
    .map(([name, value]) => [name, value, { pointer: pointerTo([name]) }])
}

/** Whether there is anything but objects in it. Without recursion, since nothing bounds the depth yet. */
function holdsValue(value: unknown): boolean {
  const values = [value]
  while (values.length > 0) {
    const next = values.pop()
    if (next === null || next === undefined) continue
    if (!isObject(next)) return true
    for (const member of Object.values(next)) values.push(member)
  }
  return false
}

function keyIn(value: unknown): string | undefined {
  return isObject(value) && typeof value.api_key === 'string' ? value.api_key : undefined
}

/** Events that became dead letters count as ingested: they are in the log too. */
function responseOf({ incoming }: IngestResult, bytes: number) {
  return {
    code: 200,
    events_ingested: incoming.items.length,
    payload_size_bytes: bytes,
    server_upload_time: Date.now(),
  }
}
