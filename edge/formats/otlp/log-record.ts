import { isObject } from '../../../contract/json/is-object.ts'
import { addMembers, type Member } from '../common/add-members.ts'
import { type EventMapping, isSent, labelOf, mapEvent } from '../common/map-event.ts'
import type { CanCopy } from '../common/read-batch.ts'
import type { Fault, IncomingItem } from '../ingest-format.ts'
import { decodeList, decodeValue, FAULTS_MAX } from './any-value.ts'

/** What log records take from their resource and their scope. */
export interface Shared {
  /** For the context of each. */
  members: readonly Member[]
  /** `service.name` of the resource. */
  source: unknown
  /** The first of them. One list for all records: there may be thousands. */
  faults: readonly Fault[]
}

/** Attributes with a meaning of their own in OpenTelemetry's semantic conventions. */
const ATTRIBUTES: EventMapping = {
  fields: {
    event_id: ['log.record.uid'],
    name: ['event.name'],
    actor: ['user.id', 'enduser.id'],
    session: ['session.id'],
  },
  read: { actor: labelOf, session: labelOf },
  copied: ['actor', 'session'],
  rest: 'properties',
}

export interface Holder {
  /** A resource or a scope. */
  sent: unknown
  /** Of its log records, each of which gets a copy. */
  count: number
  /** Numbers of it that JSON.parse changed. */
  numbers: readonly Fault[]
}

export function readResource({ sent: resource, count, numbers }: Holder, canCopy: CanCopy): Shared {
  if (!canCopy(resource, count)) return tooLarge('/resource', count)
  const faults: Fault[] = []
  const attributes = isObject(resource) ? resource.attributes : undefined
  const indexes = new Map<string, number>()
  const found = decodeList(attributes, '/resource/attributes', faults, (key, index) =>
    indexes.set(key, index),
  )
  const members = Object.entries(found).map(
    ([key, value]): Member => [
      key,
      value,
      { pointer: `/resource/attributes/${indexes.get(key)}/value` },
    ],
  )
  return { members, source: labelOf(found['service.name']), faults: firstOf(faults, numbers) }
}

/** What the records of a scope take from it, besides what they take from its resource. */
export function withScope(
  resource: Shared,
  { sent: scope, count, numbers }: Holder,
  canCopy: CanCopy,
): Shared {
  if (!isObject(scope) || Object.keys(scope).length === 0) return resource
  if (!canCopy(scope, count)) return tooLarge('/scope', count)
  const faults: Fault[] = []
  const { attributes, ...rest } = scope
  const decoded = decodeList(attributes, '/scope/attributes', faults)
  const all = { ...rest, ...(attributes === undefined ? {} : { attributes: decoded }) }
  return {
    ...resource,
    members: [...resource.members, ['scope', all, { pointer: '/scope' }]],
    faults: firstOf(resource.faults, faults, numbers),
  }
}

function firstOf(...faults: readonly (readonly Fault[])[]): readonly Fault[] {
  return faults.flat().slice(0, FAULTS_MAX)
}

function tooLarge(pointer: string, count: number): Shared {
  const detail = `is too large to be copied into ${count.toLocaleString('en')} log records; send fewer at once`
  return { members: [], source: undefined, faults: [{ code: 'EVENT_TOO_LARGE', pointer, detail }] }
}

/** Maps a log record to our fields. @param numbers of it that JSON.parse changed */
export function itemOf(
  record: unknown,
  shared: Shared,
  numbers: readonly Fault[] = [],
): IncomingItem {
  if (!isObject(record)) return { raw: record, badNumbers: [] }
  if (shared.faults.length >= FAULTS_MAX) return unreadable(shared.faults)
  const { attributes, body, eventName, timeUnixNano, observedTimeUnixNano, ...rest } = record
  const faults: Fault[] = [...shared.faults, ...numbers]
  const indexes = new Map<string, number>()
  const found = decodeList(attributes, '/attributes', faults, (key, index) =>
    indexes.set(key, index),
  )
  const text = body === undefined ? undefined : decodeValue(body, '/body', faults)
  if (faults.length > 0)
    return unreadable(faults.length > shared.faults.length ? firstOf(faults) : shared.faults)

  const isTimed = isTime(timeUnixNano)
  const context: Member[] = [
    ...shared.members,
    ...Object.entries(rest)
      .filter(([, value]) => isSent(value) && value !== 0)
      .map(([name, value]): Member => [name, value, name]),
    ...(isTimed && isTime(observedTimeUnixNano)
      ? [['observedTimeUnixNano', observedTimeUnixNano, 'observedTimeUnixNano'] as const]
      : []),
  ]
  const { raw, pointerMap } = mapEvent(found, ATTRIBUTES, { at: '/attributes' })
  if (context.length > 0) raw.context = addMembers({}, context, '/context', pointerMap)
  // A body that is null says nothing.
  const asProperty: Member = ['body', text ?? undefined, 'body']
  raw.properties = addMembers(raw.properties, [asProperty], '/properties', pointerMap)
  if (isSent(eventName)) raw.name = eventName
  raw.occurred_at = timeOf(isTimed ? timeUnixNano : observedTimeUnixNano)
  raw.source = shared.source
  // What is undefined was not sent; `normalise` reads every member that exists.
  const sent = Object.entries(raw).filter(([, value]) => value !== undefined)
  return {
    raw: Object.fromEntries(sent),
    badNumbers: [],
    clientPointer(pointer) {
      if (pointer === '/name' && (isSent(eventName) || !indexes.has('event.name')))
        return '/eventName'
      if (pointer === '/occurred_at') return isTimed ? '/timeUnixNano' : '/observedTimeUnixNano'
      return attributePointer(pointerMap.toMessage(pointer), indexes)
    },
  }
}

function unreadable(faults: readonly Fault[]): IncomingItem {
  return { raw: undefined, badNumbers: [], faults }
}

/** Attributes are a list: `/attributes/user.id` is `/attributes/3/value` in the record. */
function attributePointer(pointer: string, indexes: ReadonlyMap<string, number>): string {
  const [, step, rest = ''] = /^\/attributes\/([^/]*)(\/.*)?$/s.exec(pointer) ?? []
  if (step === undefined) return pointer
  const index = indexes.get(step.replaceAll('~1', '/').replaceAll('~0', '~'))
  return index === undefined ? pointer : `/attributes/${index}/value${rest}`
}

/** 0 means that the time is unknown. */
function isTime(value: unknown): boolean {
  return isSent(value) && value !== 0 && value !== '0'
}

/** Nanoseconds since the epoch, in as many digits as we store; what is not a time is returned for its error. */
function timeOf(nanos: unknown): unknown {
  if (!isTime(nanos)) return undefined
  // Of an object, whose own `toString` may be anything, String() may throw.
  const digits = typeof nanos === 'number' ? String(nanos) : nanos
  if (typeof digits !== 'string') return nanos
  if (!/^\d{1,21}$/.test(digits)) return nanos
  const padded = digits.padStart(10, '0')
  const seconds = Number(padded.slice(0, -9))
  // The end of the year 9999.
  if (seconds > 253_402_300_799) return nanos
  const micros = padded.slice(-9, -3)
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${micros}Z`
}
