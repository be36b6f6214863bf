import { isObject } from '../../../contract/json/is-object.ts'
import type { BadNumber } from '../../../contract/json/json.ts'
import { elementTexts } from '../../../contract/json/slices.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { HttpProblem } from '../../http/http-problem.ts'
import type { Fields } from '../common/add-members.ts'
import { parseBody } from '../common/read-batch.ts'
import type {
  Fault,
  IncomingBatch,
  IncomingItem,
  IngestFormat,
  IngestResult,
  RequestBody,
} from '../ingest-format.ts'
import { itemOf, readResource, type Shared, withScope } from './log-record.ts'

/**
 * OTLP/HTTP 1.x with JSON: a log record with an event name is an event. Exporters report `partialSuccess`, so what
 * is not valid is rejected; they retry 429, 502, 503 and 504.
 */
export const otlp: IngestFormat = {
  route: 'otlp',
  onInvalid: 'reject',
  listsAllInvalid: true,
  accepts,
  read,
  buildResponse: (result) => ({ status: 200, body: JSON.stringify(responseOf(result)) }),
  // google.rpc.Status, as the protocol wants it.
  errorBody: ({ code, detail, request_id }) => ({
    message: `${code}: ${detail} (request ${request_id})`,
  }),
}

function accepts(mediaType: string): boolean {
  if (mediaType === 'application/x-protobuf' || mediaType === 'application/protobuf')
    throw new HttpProblem('MEDIA_TYPE_UNSUPPORTED', {
      detail:
        'OTLP is accepted as JSON only: set OTEL_EXPORTER_OTLP_LOGS_PROTOCOL=http/json, or encoding: json in the Collector.',
      headers: { 'accept-post': 'application/json' },
    })
  return mediaType === 'application/json' || mediaType === ''
}

/** A log record with where it is. */
interface Found {
  record: unknown
  shared: Shared
  /** Its pointer in the body. */
  at: string
  resourceAt: string
  scopeAt: string
}

/** @throws INVALID_JSON, BATCH_TOO_LARGE, EVENTS_INVALID */
function read({ text }: RequestBody): IncomingBatch {
  const body = text()
  const { value, badNumbers } = parseBody(body)
  const found = findRecords(value)
  const numbers = faultsByPointer(badNumbers)
  let texts: string[] | undefined
  return {
    isSingleEvent: false,
    items: found.map(({ record, shared, at, resourceAt, scopeAt }): IncomingItem => {
      const faults = [
        ...(numbers.get(`${resourceAt}/resource`) ?? []),
        ...(numbers.get(`${scopeAt}/scope`) ?? []),
        ...(numbers.get(at) ?? []),
      ]
      return itemOf(record, shared, faults)
    }),
    original(index) {
      texts ??= textsOf(body)
      return texts[index] ?? ''
    },
  }
}

function findRecords(value: unknown): Found[] {
  const found: Found[] = []
  for (const [r, group] of listOf(value, 'resourceLogs', '').entries()) {
    const resourceAt = `/resourceLogs/${r}`
    const scopes = listOf(group, 'scopeLogs', resourceAt).map((scoped, s) => {
      const scopeAt = `${resourceAt}/scopeLogs/${s}`
      return { scoped, scopeAt, records: listOf(scoped, 'logRecords', scopeAt) }
    })
    const count = scopes.reduce((sum, { records }) => sum + records.length, 0)
    if (found.length + count > LIMITS.logAppendRecordsMax)
      throw new HttpProblem('BATCH_TOO_LARGE', {
        detail: `A request takes at most ${LIMITS.logAppendRecordsMax.toLocaleString('en')} log records; split it.`,
      })
    if (count === 0) continue
    const resource = readResource((group as Fields).resource, count)
    for (const { scoped, scopeAt, records } of scopes) {
      const shared = withScope(resource, (scoped as Fields).scope, records.length)
      for (const [l, record] of records.entries())
        found.push({ record, shared, at: `${scopeAt}/logRecords/${l}`, resourceAt, scopeAt })
    }
  }
  return found
}

/** A list that is missing is empty. @throws EVENTS_INVALID for anything else */
function listOf(holder: unknown, member: string, at: string): readonly unknown[] {
  const list = isObject(holder) ? (holder[member] ?? []) : undefined
  if (Array.isArray(list)) return list
  throw new HttpProblem('EVENTS_INVALID', {
    detail: `The body is not an ExportLogsServiceRequest: ${at}/${member} must be an array.`,
  })
}

/** The numbers that JSON.parse changed, by the record, resource or scope that has them; the first ten of each. */
function faultsByPointer(badNumbers: readonly BadNumber[]): Map<string, Fault[]> {
  const found = new Map<string, Fault[]>()
  for (const { pointer, written } of badNumbers) {
    const [, holder, rest] = HOLDER.exec(pointer) ?? []
    if (holder === undefined) continue
    const own = /\/(resource|scope)$/.exec(holder)?.[0] ?? ''
    const faults = found.get(holder) ?? []
    if (faults.length >= 10) continue
    faults.push({
      code: 'NUMBER_UNREPRESENTABLE',
      pointer: own + rest,
      detail: `${written} is a number that a double cannot hold; send it as a string`,
    })
    found.set(holder, faults)
  }
  return found
}

const HOLDER =
  /^(\/resourceLogs\/\d+(?:\/resource|\/scopeLogs\/\d+(?:\/scope|\/logRecords\/\d+)))((?:\/.*)?)$/s

/** The log records as they were sent. */
function textsOf(body: string): string[] {
  return elementTexts(body, 'resourceLogs').flatMap((group) =>
    elementTexts(group, 'scopeLogs').flatMap((scoped) => elementTexts(scoped, 'logRecords')),
  )
}

/** `partialSuccess` is absent when there is nothing to report. Integers of 64 bits are texts in this encoding. */
function responseOf({ incoming, accepted, errors, warnings }: IngestResult) {
  const rejected = incoming.items.length - accepted.length
  const notes = [
    ...errors.map(({ index, pointer, code, detail }) => `${index} ${code} ${pointer} ${detail}`),
    ...warnings.map(({ index, code, detail }) => `${index} ${code} ${detail}`),
  ]
  if (notes.length === 0 && rejected === 0) return {}
  const errorMessage = notes.slice(0, NOTES_MAX).join('; ')
  return {
    partialSuccess: {
      ...(rejected > 0 && { rejectedLogRecords: String(rejected) }),
      errorMessage:
        notes.length > NOTES_MAX
          ? `${errorMessage}; and ${notes.length - NOTES_MAX} more`
          : errorMessage,
    },
  }
}

const NOTES_MAX = 20
