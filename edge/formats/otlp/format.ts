import { isObject } from '../../../contract/json/is-object.ts'
import type { BadNumber } from '../../../contract/json/json.ts'
import { elementTexts } from '../../../contract/json/slices.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { HttpProblem } from '../../http/http-problem.ts'
import type { Fields } from '../common/add-members.ts'
import { createCopyBudget, parseBody } from '../common/read-batch.ts'
import type {
  Fault,
  IncomingBatch,
  IncomingItem,
  IngestFormat,
  IngestResult,
  RequestBody,
} from '../ingest-format.ts'
import { FAULTS_MAX } from './any-value.ts'
import { itemOf, readResource, withScope } from './log-record.ts'

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

/** The log records of a scope, and where they are. */
interface Scoped {
  records: readonly unknown[]
  scope: unknown
  at: string
}

/** The scopes of a resource. */
interface Group {
  resource: unknown
  at: string
  scopes: readonly Scoped[]
  /** Of all their log records. */
  count: number
}

/** @throws INVALID_JSON, BATCH_TOO_LARGE, EVENTS_INVALID */
function read({ text }: RequestBody): IncomingBatch {
  const body = text()
  const { value, badNumbers } = parseBody(body)
  let texts: string[] | undefined
  return {
    isSingleEvent: false,
    items: itemsOf(findGroups(value), faultsByPointer(badNumbers)),
    original(index) {
      texts ??= textsOf(body)
      return texts[index] ?? ''
    },
  }
}

/** All log records are counted before the first is mapped. */
function findGroups(value: unknown): Group[] {
  let total = 0
  return listOf(value, 'resourceLogs', '').map((group, r): Group => {
    const at = `/resourceLogs/${r}`
    const scopes = listOf(group, 'scopeLogs', at).map((scoped, s): Scoped => {
      const scopeAt = `${at}/scopeLogs/${s}`
      const records = listOf(scoped, 'logRecords', scopeAt)
      return { records, scope: (scoped as Fields).scope, at: scopeAt }
    })
    const count = scopes.reduce((sum, { records }) => sum + records.length, 0)
    total += count
    if (total > LIMITS.logAppendRecordsMax)
      throw new HttpProblem('BATCH_TOO_LARGE', {
        detail: `A request takes at most ${LIMITS.logAppendRecordsMax.toLocaleString('en')} log records; split it.`,
      })
    return { resource: (group as Fields).resource, at, scopes, count }
  })
}

/** @param numbers that JSON.parse changed, by the pointer of what holds them */
function itemsOf(
  groups: readonly Group[],
  numbers: ReadonlyMap<string, readonly Fault[]>,
): IncomingItem[] {
  const items: IncomingItem[] = []
  const canCopy = createCopyBudget()
  const holder = (sent: unknown, count: number, at: string) => ({
    sent,
    count,
    numbers: numbers.get(at) ?? [],
  })
  for (const { resource: sent, at, scopes, count } of groups) {
    if (count === 0) continue
    const resource = readResource(holder(sent, count, `${at}/resource`), canCopy)
    for (const { records, scope, at: scopeAt } of scopes) {
      if (records.length === 0) continue
      const shared = withScope(resource, holder(scope, records.length, `${scopeAt}/scope`), canCopy)
      for (const [l, record] of records.entries())
        items.push(itemOf(record, shared, numbers.get(`${scopeAt}/logRecords/${l}`)))
    }
  }
  return items
}

/** A list that is missing is empty. @throws EVENTS_INVALID for anything else */
function listOf(holder: unknown, member: string, at: string): readonly unknown[] {
  const list = isObject(holder) ? (holder[member] ?? []) : undefined
  if (Array.isArray(list)) return list
  throw new HttpProblem('EVENTS_INVALID', {
    detail: `The body is not an ExportLogsServiceRequest: ${at}/${member} must be an array.`,
  })
}

/** The numbers that JSON.parse changed, by the record, resource or scope that has them; the first of each. */
function faultsByPointer(badNumbers: readonly BadNumber[]): Map<string, Fault[]> {
  const found = new Map<string, Fault[]>()
  for (const { pointer, written } of badNumbers) {
    const [, holder, rest] = HOLDER.exec(pointer) ?? []
    if (holder === undefined) continue
    const own = /\/(resource|scope)$/.exec(holder)?.[0] ?? ''
    const faults = found.get(holder) ?? []
    if (faults.length >= FAULTS_MAX) continue
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
