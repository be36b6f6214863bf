import { isObject } from '../../../contract/json/is-object.ts'
import { type BadNumber, parseJson } from '../../../contract/json/json.ts'
import { type EventMapping, itemOf, mapEvent, numberOf } from '../common/map-event.ts'
import { batchOf, parseBody } from '../common/read-batch.ts'
import { type Renamed, renameMembers } from '../common/rename-members.ts'
import { type Site, siteOf } from '../common/site.ts'
import type { IncomingBatch, IncomingItem, IngestFormat, RequestBody } from '../ingest-format.ts'

/** Plausible's events API, for its script and its npm package. They send no key, and read the status at most. */
export const plausible: IngestFormat = {
  route: 'plausible',
  onInvalid: 'dead-letter',
  overLimitCode: 'RATE_LIMITED',
  // The script sends text/plain, for which browsers need no preflight.
  accepts: () => true,
  read,
  buildResponse: () => ({ status: 202, body: 'ok', type: 'text/plain' }),
}

/** The script's short names, as the documentation spells them out. */
const NAMES: Readonly<Record<string, string>> = {
  n: 'name',
  u: 'url',
  d: 'domain',
  r: 'referrer',
  p: 'props',
  m: 'props',
  meta: 'props',
  $: 'revenue',
  i: 'interactive',
  w: 'screen_width',
  h: 'hash_mode',
  v: 'script_version',
  e: 'engagement_ms',
  sd: 'scroll_depth',
}

const EVENT: EventMapping = {
  fields: { name: ['name'], value: ['revenue'] },
  read: { value: amountOf },
  copied: ['value'],
  properties: 'props',
  asProperties: ['url', 'referrer', 'revenue', 'engagement_ms', 'scroll_depth'],
  rest: 'context',
}

function read({ text }: RequestBody): IncomingBatch {
  const body = text()
  const { value, badNumbers } = parseBody(body)
  const renamed = renameMembers(value, NAMES)
  const site = siteOf(renamed.sent.domain)
  const list = { body, events: [value], at: undefined, badNumbers }
  return {
    ...batchOf(list, (_, numbers) =>
      isObject(value) ? toItem(renamed, site, numbers) : { raw: value, badNumbers: numbers },
    ),
    ...site.sender,
  }
}

function toItem(
  { sent, toRenamed, toSent }: Renamed,
  site: Site,
  badNumbers: readonly BadNumber[],
): IncomingItem {
  const { domain: _, props, ...event } = sent
  const mapped = mapEvent({ ...event, props: propsOf(props), ...site.kept('domain') }, EVENT)
  const numbers = badNumbers.map(({ pointer, written }) => ({
    pointer: toRenamed(pointer),
    written,
  }))
  const item = itemOf(mapped, numbers)
  return { ...item, clientPointer: (pointer) => toSent(mapped.pointerMap.toMessage(pointer)) }
}

/** Properties may be JSON in a text. */
function propsOf(props: unknown): unknown {
  if (typeof props !== 'string') return props
  const parsed = parseJson(props)
  return parsed.ok && parsed.badNumbers.length === 0 ? parsed.value : props
}

/** Of a sale: a number or the text of one. */
function amountOf(revenue: unknown): unknown {
  const amount = isObject(revenue) ? revenue.amount : undefined
  return numberOf(
    typeof amount === 'string' && /^\d{1,15}(\.\d{1,9})?$/.test(amount) ? Number(amount) : amount,
  )
}
