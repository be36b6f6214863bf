import type { TrackedEvent } from '../../../contract/event/event.ts'
import type { BadNumber } from '../../../contract/json/json.ts'
import { LIMITS } from '../../../contract/limits.ts'
import type { IncomingItem } from '../ingest-format.ts'
import { addMembers, type Fields, type Member } from './add-members.ts'
import { createPointerMap, type PointerMap } from './pointer-map.ts'

type Field = Exclude<keyof TrackedEvent, 'client_occurred_at' | 'properties' | 'context'>

/** How an event of a vendor's format becomes ours: a table of the names that it has there. */
export interface EventMapping {
  /** For each of our fields the members that may hold it; the first that was sent is used. */
  fields: Readonly<Partial<Record<Field, readonly string[]>>>
  /** What such a member means; undefined where it is not that field after all. Without it the value is used as it is. */
  read?: Readonly<Partial<Record<Field, (value: unknown) => unknown>>>
  /** Fields whose member also stays where it is. */
  copied?: readonly Field[]
  /** The member that holds the properties. */
  properties?: string
  /** The member that holds the context. */
  context?: string
  /** Members that become properties; all other members go to `rest`. */
  asProperties?: readonly string[]
  rest: 'properties' | 'context'
  /** Members that are not kept, since they hold the API key. */
  dropped?: readonly string[]
}

export interface MappedEvent {
  raw: Fields
  pointerMap: PointerMap
}

export interface MapOptions {
  /** Where `sent` is in the client's event. */
  at?: string
  /** The properties, where they are in no member, and the pointer of what holds them. */
  properties?: { value: unknown; at: string }
  /** What the event takes from its request, into the context. */
  context?: readonly Member[]
}

/** Maps an event by its format's table. What has no field of its own is kept under its own name. */
export function mapEvent(
  sent: Fields,
  mapping: EventMapping,
  { at = '', properties: given, context = [] }: MapOptions = {},
): MappedEvent {
  const pointerMap = createPointerMap()
  const rest: Fields = { ...sent }
  for (const member of mapping.dropped ?? []) delete rest[member]
  const take = (member: string | undefined) => {
    if (member === undefined) return undefined
    const value = rest[member]
    delete rest[member]
    return value ?? undefined
  }
  const raw: Fields = {}
  for (const [field, members] of Object.entries(mapping.fields) as [Field, string[]][]) {
    const member = members.find((name) => isSent(rest[name]))
    pointerMap.add(`${at}/${member ?? members[0]}`, `/${field}`)
    if (member === undefined) continue
    const read = mapping.read?.[field]
    const value = read ? read(rest[member]) : rest[member]
    if (value === undefined) continue
    raw[field] = value
    if (!mapping.copied?.includes(field)) delete rest[member]
  }

  const propertiesAt = given?.at ?? (mapping.properties && `${at}/${mapping.properties}`)
  if (propertiesAt) pointerMap.add(propertiesAt, '/properties')
  if (mapping.context) pointerMap.add(`${at}/${mapping.context}`, '/context')
  const properties = given ? given.value : take(mapping.properties)
  const own = take(mapping.context)
  const chosen = (mapping.asProperties ?? []).map((name): Member => [name, take(name), name])
  const others = Object.entries(rest).map(([name, value]): Member => [name, value, name])
  const toProperties = mapping.rest === 'properties' ? [...chosen, ...others] : chosen
  raw.properties = addMembers(properties, toProperties, '/properties', pointerMap, at)
  const toContext = mapping.rest === 'context' ? [...others, ...context] : context
  if (own !== undefined || toContext.length > 0)
    raw.context = addMembers(own, toContext, '/context', pointerMap, at)
  return { raw, pointerMap }
}

/** @param badNumbers with pointers into the client's event */
export function itemOf(
  { raw, pointerMap }: MappedEvent,
  badNumbers: readonly BadNumber[],
): IncomingItem {
  return {
    raw,
    badNumbers: badNumbers.map(({ pointer, written }) => ({
      pointer: pointerMap.toEvent(pointer),
      written,
    })),
    clientPointer: pointerMap.toMessage,
  }
}

export function isSent(value: unknown): boolean {
  return value !== undefined && value !== null && value !== ''
}

/** For fields that stay where they are too: one that is not valid for us is not read, and nothing is lost. */
export function labelOf(value: unknown): unknown {
  if (Number.isSafeInteger(value)) return value
  const fits = typeof value === 'string' && value !== '' && value.length <= LIMITS.labelCharsMax
  return fits && value.isWellFormed() && !value.includes('\0') ? value : undefined
}

/** The same for `value`. */
export function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Math.abs(value) <= LIMITS.valueMax ? value : undefined
}

/** Times that are numbers are written as texts in forms and queries. */
export function epochOf(value: unknown): unknown {
  return typeof value === 'string' && /^\d{1,16}(\.\d{1,6})?$/.test(value) ? Number(value) : value
}
