import { isObject } from '../../../contract/json/is-object.ts'
import { type BadNumber, parseJson, pointerTo } from '../../../contract/json/json.ts'
import { publicKeyInAddress } from '../../auth/authenticate.ts'
import { HttpProblem } from '../../http/http-problem.ts'
import type { Bytes } from '../../lib/bytes.ts'
import type { Fields, Member } from '../common/add-members.ts'
import { type EventMapping, epochOf, itemOf, mapEvent } from '../common/map-event.ts'
import { queryOf } from '../common/query.ts'
import { batchOf, unreadableBody } from '../common/read-batch.ts'
import { isForm, unwrap } from '../common/unwrap.ts'
import type {
  IncomingBatch,
  IncomingItem,
  IngestFormat,
  OnInflated,
  RequestBody,
  Unwrapped,
} from '../ingest-format.ts'
import { importResponse, trackResponse } from './responses.ts'

/**
 * Mixpanel's ingestion API. Its libraries drop on a 4xx (that for browsers halves a batch at 413), and take every
 * body but `1` for an error.
 */
const mixpanel = {
  route: 'mixpanel',
  onInvalid: 'dead-letter',
  overLimitCode: 'BODY_TOO_LARGE',
  accepts: () => true,
  unwrap: unwrapEvents,
} as const satisfies Partial<IngestFormat>

export const mixpanelTrack: IngestFormat = {
  ...mixpanel,
  read: (body) => read(body, 'track'),
  buildResponse: () => trackResponse(false),
}

/** For events of any age, where the key may import history. */
export const mixpanelImport: IngestFormat = {
  ...mixpanel,
  read: (body) => read(body, 'import'),
  buildResponse: (result) => importResponse(result, false),
}

const PROPERTIES: EventMapping = {
  fields: {
    event_id: ['$insert_id'],
    occurred_at: ['time'],
    actor: ['distinct_id', '$user_id', '$device_id'],
  },
  read: { occurred_at: epochOf },
  rest: 'properties',
  dropped: ['token'],
}

/** Whether events are Mixpanel's: they have two members, and PostHog's libraries, which share a path, send more. */
function isMixpanel(value: unknown): boolean {
  const first = Array.isArray(value) ? value[0] : value
  if (!isObject(first) || !isObject(first.properties)) return false
  return Object.keys(first).every((name) => name === 'event' || name === 'properties')
}

/** @param other reads what is not Mixpanel's */
export async function readOr(body: RequestBody, other: IngestFormat): Promise<IncomingBatch> {
  const text = textOf(body)
  const parsed = parseJson(text)
  if (!parsed.ok || isMixpanel(parsed.value)) return read(body, 'track', text)
  return { ...(await other.read({ ...body, text: () => text })), format: other }
}

/** @param known the text of the events, where it was read before */
function read(
  body: RequestBody,
  path: 'track' | 'import',
  text: string = textOf(body),
): IncomingBatch {
  const query = queryOf(body.request)
  const { form } = body
  const parsed = parseJson(text)
  const value = parsed.ok ? parsed.value : undefined
  const at = Array.isArray(value) ? '' : undefined
  const events: readonly unknown[] = Array.isArray(value) ? value : [value]
  const apiKey = keyIn(events)
  const isInAddress = body.request.method !== 'POST' || query.has('data')
  const isLegacy = path === 'track' || isInAddress || form !== undefined
  const isVerbose = [query.get('verbose'), form?.verbose].includes('1')
  return {
    ...(parsed.ok
      ? batchOf({ body: text, events, at, badNumbers: parsed.badNumbers }, toItem)
      : unreadableBody(text, { code: 'INVALID_JSON', detail: parsed.detail })),
    apiKey: apiKey && isInAddress ? publicKeyInAddress(apiKey, 'token in an address') : apiKey,
    historical: path === 'import',
    client: clientIn(events[0]),
    format: {
      ...mixpanel,
      read: mixpanelTrack.read,
      buildResponse: (result) =>
        isLegacy ? trackResponse(isVerbose) : importResponse(result, query.get('strict') === '1'),
    },
  }
}

function toItem(event: unknown, badNumbers: readonly BadNumber[]): IncomingItem {
  if (!isObject(event) || !isObject(event.properties))
    return { raw: event, badNumbers, systemName: true }
  const { event: name, properties, token: _, ...rest } = event
  const context = Object.entries(rest).map(
    ([member, value]): Member => [member, value, { pointer: pointerTo([member]) }],
  )
  const mapped = mapEvent(properties as Fields, PROPERTIES, { at: '/properties', context })
  mapped.raw.name = name ?? null
  mapped.pointerMap.add('/event', '/name')
  return { ...itemOf(mapped, badNumbers), systemName: true }
}

/** The events are in the address, a form, base64, gzip, or as they are. */
async function unwrapEvents(
  bytes: Bytes,
  request: Request,
  onInflated: OnInflated,
): Promise<Unwrapped> {
  const data = queryOf(request).get('data')
  if (data !== null && bytes.byteLength > 0)
    throw new HttpProblem('INVALID_QUERY', {
      detail: 'The request has events in its address (data) and a body as well; send one of them.',
    })
  if (data !== null) return { bytes: await unwrap(new TextEncoder().encode(data), onInflated) }
  const form = formOf(bytes)
  return {
    bytes: await unwrap(bytes, onInflated),
    form: form && { verbose: form.get('verbose') },
  }
}

/** The events as JSON; lines become an array. */
function textOf({ text, request }: RequestBody): string {
  const isLines = /^application\/x-ndjson/i.test(request.headers.get('content-type') ?? '')
  if (!isLines) return text()
  return `[${text()
    .split('\n')
    .filter((line) => line.trim() !== '')
    .join(',')}]`
}

function formOf(bytes: Bytes): URLSearchParams | undefined {
  // Forms are ASCII, and JSON begins with a bracket.
  if (bytes[0] === 0x7b || bytes[0] === 0x5b) return undefined
  const text = new TextDecoder('latin1').decode(bytes)
  return isForm(text) ? new URLSearchParams(text) : undefined
}

/** The project's token is in every event. @throws KEY_UNKNOWN where they differ: each could belong to another tenant */
function keyIn(events: readonly unknown[]): string | undefined {
  const keys = new Set<string>()
  for (const event of events) {
    const properties = isObject(event) ? event.properties : undefined
    const token = isObject(properties) ? properties.token : undefined
    if (typeof token === 'string' && token !== '') keys.add(token)
  }
  if (keys.size > 1)
    throw new HttpProblem('KEY_UNKNOWN', {
      detail: 'The events of one request carry different API keys.',
    })
  const [key] = keys
  return key
}

function clientIn(event: unknown): string | undefined {
  const properties = isObject(event) ? event.properties : undefined
  if (!isObject(properties) || typeof properties.mp_lib !== 'string') return undefined
  const { mp_lib: name, $lib_version: version } = properties
  return typeof version === 'string' ? `mixpanel-${name}/${version}` : `mixpanel-${name}`
}
