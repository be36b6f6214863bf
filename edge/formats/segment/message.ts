import { isObject } from '../../../contract/json/is-object.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { addMembers, type Fields, type Member } from '../common/add-members.ts'
import { createPointerMap, type PointerMap } from '../common/pointer-map.ts'
import type { IncomingItem } from '../ingest-format.ts'

/** The six calls of Segment's spec. Each but `track` makes an event of its own name. */
export type Call = 'track' | 'identify' | 'page' | 'screen' | 'group' | 'alias'

/** What an envelope holds for all of its messages; Go's and Java's libraries name themselves there. */
export interface Shared {
  context?: Fields
  integrations?: Fields
}

/** A message, mapped to our fields. */
export interface Message extends Pick<IncomingItem, 'raw' | 'faults'> {
  pointerMap?: PointerMap
}

/** Where each call has its properties, and which other members become properties under which name. */
const CALLS: Record<Call, { in: 'properties' | 'traits'; also: Record<string, string> }> = {
  track: { in: 'properties', also: {} },
  identify: { in: 'traits', also: {} },
  page: { in: 'properties', also: { name: 'name', category: 'category' } },
  screen: { in: 'properties', also: { name: 'name', category: 'category' } },
  group: { in: 'traits', also: { groupId: 'group_id' } },
  alias: { in: 'properties', also: { previousId: 'previous_id' } },
}

/**
 * Maps one of Segment's messages to our fields. What has no field of its own is kept in the context; only
 * the key is dropped.
 * @param call when the message names none, as on `/v1/track`
 */
export function readMessage(message: unknown, call: Call | undefined, shared: Shared): Message {
  if (!isObject(message)) return { raw: message }
  const { type, messageId, userId, anonymousId, timestamp, context, writeKey, ...rest } = message
  const kind = type ?? call ?? (typeof rest.event === 'string' ? 'track' : undefined)
  if (!isCall(kind))
    return {
      raw: message,
      faults: {
        pointer: '/type',
        code: 'NAME_MISSING',
        detail: `must be one of ${Object.keys(CALLS).join(', ')}`,
      },
    }

  const pointerMap = createPointerMap()
  const take = (field: string) => {
    const value = rest[field]
    delete rest[field]
    return value ?? undefined
  }
  const raw: Fields = { name: kind, event_id: messageId }
  pointerMap.add('/messageId', '/event_id')
  if (kind === 'track') {
    raw.name = take('event')
    pointerMap.add('/event', '/name')
  }
  raw.occurred_at = timestamp ?? take('originalTimestamp')
  pointerMap.add(timestamp == null ? '/originalTimestamp' : '/timestamp', '/occurred_at')
  // Without a signed-in user, userId is null, missing or an empty string.
  const isKnown = userId != null && userId !== ''
  raw.actor = isKnown ? userId : anonymousId
  pointerMap.add(isKnown ? '/userId' : '/anonymousId', '/actor')

  const { in: member, also } = CALLS[kind]
  pointerMap.add(`/${member}`, '/properties')
  const properties = Object.entries(also).map(
    ([theirs, ours]): Member => [ours, take(theirs), theirs],
  )
  raw.properties = addMembers(take(member), properties, '/properties', pointerMap)

  const merged = merge(shared.context, context)
  rest.integrations = merge(shared.integrations, rest.integrations)
  raw.context = addMembers(
    merged,
    [
      ['type', kind, 'type'],
      ['anonymous_id', anonymousId ?? undefined, 'anonymousId'],
      ...Object.entries(rest).map(([key, value]): Member => [key, value, key]),
    ],
    '/context',
    pointerMap,
  )
  raw.session = sessionIn(merged)
  // What is undefined was not sent; `normalise` reads every member that exists.
  const sent = Object.entries(raw).filter(([, value]) => value !== undefined)
  return { raw: Object.fromEntries(sent), pointerMap }
}

/** The message's own members override the envelope's. */
function merge(shared: Fields | undefined, own: unknown): unknown {
  return shared && isObject(own ?? {}) ? { ...shared, ...(own as Fields | null) } : own
}

/** It stays in the context too, so one that is not valid for us loses nothing. */
function sessionIn(context: unknown): unknown {
  const found = isObject(context) ? context.sessionId : undefined
  if (Number.isSafeInteger(found)) return found
  const fits = typeof found === 'string' && found !== '' && found.length <= LIMITS.labelCharsMax
  return fits ? found : undefined
}

function isCall(value: unknown): value is Call {
  return typeof value === 'string' && Object.hasOwn(CALLS, value)
}
