import { isObject } from '../../../contract/json/is-object.ts'
import { parseJson } from '../../../contract/json/json.ts'
import type { Fields, Member } from '../common/add-members.ts'
import {
  type EventMapping,
  epochOf,
  itemOf,
  labelOf,
  mapEvent,
  numberOf,
} from '../common/map-event.ts'
import { renameMembers } from '../common/rename-members.ts'
import { fromBase64 } from '../common/unwrap.ts'
import type { Fault, IncomingItem } from '../ingest-format.ts'

/** Parameters of the tracker protocol that become properties, under the names that they have in the warehouse. */
const NAMES: Readonly<Record<string, string>> = {
  page: 'title',
  refr: 'referrer',
  se_ca: 'category',
  se_ac: 'action',
  se_la: 'label',
  se_pr: 'property',
  se_va: 'value',
}

const EVENT: EventMapping = {
  fields: {
    event_id: ['eid'],
    occurred_at: ['ttm', 'dtm'],
    actor: ['uid', 'duid', 'tnuid'],
    session: ['sid'],
    value: ['value'],
  },
  read: {
    occurred_at: epochOf,
    session: labelOf,
    value: (text) => (isDecimal(text) ? numberOf(Number(text)) : numberOf(text)),
  },
  copied: ['session'],
  asProperties: ['url', ...Object.values(NAMES)],
  rest: 'context',
}

/** Structured and self-describing events have names of their own. */
const TYPES: Readonly<Record<string, string>> = {
  pv: 'page_view',
  pp: 'page_ping',
  tr: 'transaction',
  ti: 'transaction_item',
  ad: 'ad_impression',
}

/**
 * Maps an event of the tracker protocol: flat, all of its values texts, JSON among them.
 * @param isKey whether the app id is the API key, which is not kept
 */
export function toItem(sent: unknown, isKey: boolean): IncomingItem {
  if (!isObject(sent)) return { raw: sent, badNumbers: [] }
  const faults: Fault[] = []
  const described = readJson(sent, 'ue_pr', 'ue_px', faults)
  const entities = readJson(sent, 'co', 'cx', faults)
  if (faults.length > 0) return { raw: undefined, badNumbers: [], faults }
  const { e, ue_pr, ue_px, co, cx, stm: _, aid, ...rest } = sent

  const { sent: named, toSent } = renameMembers(rest, NAMES)
  const event = isObject(described?.data) ? described.data : undefined
  const schema = typeof event?.schema === 'string' ? event.schema : undefined
  const context: Member[] = [
    ['e', e, 'e'],
    ['schema', schema, described?.at ?? 'ue_pr'],
    ['contexts', entities?.data, entities?.at ?? 'co'],
    ...(isKey ? [] : [['aid', aid, 'aid'] as const]),
  ]
  const properties = event && { value: event.data, at: `/${described?.at}` }
  const mapped = mapEvent(named, EVENT, { context, properties })
  mapped.raw.name = nameOf(e, schema, sent)
  const item = itemOf(mapped, [])
  return {
    ...item,
    clientPointer(pointer) {
      if (pointer === '/name') return e === 'se' ? '/se_ac' : schema ? `/${described?.at}` : '/e'
      const own = toSent(mapped.pointerMap.toMessage(pointer))
      // The rest of such a pointer is within a text.
      return described && own.startsWith(`/${described.at}/`) ? `/${described.at}` : own
    },
  }
}

function nameOf(e: unknown, schema: string | undefined, sent: Fields): unknown {
  if (e === 'se') return sent.se_ac ?? null
  // iglu:com.acme/order_placed/jsonschema/1-0-0
  if (e === 'ue') return schema?.split('/')[1] ?? null
  return typeof e === 'string' && Object.hasOwn(TYPES, e) ? TYPES[e] : (e ?? null)
}

/** What a self-describing envelope holds, as JSON or as base64 of it; the second where both were sent. */
function readJson(
  sent: Fields,
  plain: string,
  encoded: string,
  faults: Fault[],
): { data: unknown; at: string } | undefined {
  const at = sent[encoded] == null ? plain : encoded
  const text = sent[at]
  if (text === undefined || text === null || text === '') return undefined
  const fault = (detail: string, code: Fault['code'] = 'PROPERTIES_INVALID') => {
    faults.push({ code, pointer: `/${at}`, detail })
    return undefined
  }
  const json = at === plain ? text : typeof text === 'string' ? decoded(text) : undefined
  const parsed = typeof json === 'string' ? parseJson(json) : undefined
  if (!parsed?.ok) return fault(`must be JSON in a ${at === plain ? 'text' : 'text of base64'}`)
  const [number] = parsed.badNumbers
  if (number)
    return fault(
      `${number.written} at ${number.pointer} is a number that a double cannot hold; send it as a string`,
      'NUMBER_UNREPRESENTABLE',
    )
  if (!isObject(parsed.value)) return fault('must be a self-describing JSON object')
  return { data: parsed.value.data, at }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function decoded(text: string): string | undefined {
  const bytes = fromBase64(text)
  try {
    return bytes && utf8.decode(bytes)
  } catch {
    return undefined
  }
}

function isDecimal(text: unknown): boolean {
  return typeof text === 'string' && /^-?\d{1,15}(\.\d{1,15})?$/.test(text)
}
