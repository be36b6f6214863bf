import { isObject } from '../../../contract/json/is-object.ts'
import type { BadNumber } from '../../../contract/json/json.ts'
import { LIMITS } from '../../../contract/limits.ts'
import type { Fault, IncomingItem } from '../ingest-format.ts'
import { type Attributes, readAttributes } from './attributes.ts'
import { eventIdOf } from './identity.ts'

/** What a CloudEvent carries. */
export type Data =
  | { kind: 'nothing' }
  | { kind: 'json'; value: unknown }
  | { kind: 'base64'; text: string }

/**
 * A CloudEvent in its JSON form. A `data` object becomes the event's properties; any other data, a
 * text too, is the property `data`, and bytes are `data_base64`.
 * @param badNumbers with pointers into that form
 */
export async function itemOf(
  event: unknown,
  badNumbers: readonly BadNumber[],
): Promise<IncomingItem> {
  if (!isObject(event))
    return invalidItem([{ code: 'EVENT_NOT_OBJECT', detail: 'a CloudEvent is a JSON object' }])
  const read = readAttributes(event)
  const data = readData(event)
  const faults = [...(read.ok ? [] : read.faults), ...('kind' in data ? [] : [data])]
  if (!read.ok || !('kind' in data)) return invalidItem(faults)
  return build(read.attributes, data, badNumbers)
}

export function invalidItem(faults: readonly Fault[]): IncomingItem {
  return { raw: undefined, badNumbers: [], faults }
}

function readData(event: Record<string, unknown>): Data | Fault {
  const bytes = event.data_base64 ?? undefined
  const has = Object.hasOwn(event, 'data')
  const wrong = (detail: string): Fault => ({
    code: 'ATTRIBUTE_INVALID',
    pointer: '/data_base64',
    detail,
  })
  if (bytes === undefined) return has ? { kind: 'json', value: event.data } : { kind: 'nothing' }
  if (has && event.data !== null)
    return wrong('is sent together with data; an event has one of them')
  if (typeof bytes !== 'string' || bytes.length % 4 || !/^[A-Za-z0-9+/]*={0,2}$/.test(bytes))
    return wrong('must be a string of base64')
  return { kind: 'base64', text: bytes }
}

/** What `normalise` reads, and the mapping of its pointers to the CloudEvent's own. */
async function build(
  { id, source, type, time, extensions, ...rest }: Attributes,
  data: Data,
  badNumbers: readonly BadNumber[],
): Promise<IncomingItem> {
  const eventId = await eventIdOf(source, id)
  const isReadable = eventId.includes('|')
  const isLabel = source.length <= LIMITS.labelCharsMax
  // What the event's fields do not hold is kept here, first the two parts of its identity.
  const context = {
    ...(isReadable ? {} : { id }),
    ...(isLabel ? {} : { source }),
    ...withoutUndefined(rest),
    ...extensions,
  }
  const isProperties = data.kind === 'json' && isObject(data.value)
  const properties = isProperties
    ? data.value
    : data.kind === 'json'
      ? { data: data.value }
      : data.kind === 'base64'
        ? { data_base64: data.text }
        : {}
  const { partitionkey } = extensions
  return {
    raw: {
      event_id: eventId,
      name: type,
      // The normaliser reads every member that exists, even an undefined one.
      ...(time === undefined ? {} : { occurred_at: time }),
      ...(isLabel ? { source } : {}),
      ...(Object.keys(context).length > 0 ? { context } : {}),
      properties,
    },
    badNumbers: badNumbers.map(({ pointer, written }) => ({
      written,
      pointer: /^\/data(\/|$)/.test(pointer)
        ? isProperties
          ? `/properties${pointer.slice('/data'.length)}`
          : `/properties${pointer}`
        : `/context${pointer}`,
    })),
    partitionKey: partitionkey === undefined ? undefined : String(partitionkey),
    clientPointer(pointer) {
      if (pointer === '/name') return '/type'
      if (pointer === '/event_id') return '/id'
      if (pointer === '/occurred_at') return '/time'
      if (pointer.startsWith('/context/')) return pointer.slice('/context'.length)
      if (!pointer.startsWith('/properties')) return pointer
      return `${isProperties ? '/data' : ''}${pointer.slice('/properties'.length)}`
    },
  }
}

function withoutUndefined(attributes: Record<string, string | undefined>) {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined))
}
