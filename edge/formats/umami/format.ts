import { isObject } from '../../../contract/json/is-object.ts'
import type { BadNumber } from '../../../contract/json/json.ts'
import type { Member } from '../common/add-members.ts'
import { type EventMapping, epochOf, isSent, itemOf, mapEvent } from '../common/map-event.ts'
import { batchOf, parseBody } from '../common/read-batch.ts'
import { type Site, siteOf } from '../common/site.ts'
import type { IncomingBatch, IncomingItem, IngestFormat, RequestBody } from '../ingest-format.ts'

/** Umami's API for its script and its Node client. They send no key, and the client reads nothing. */
export const umami: IngestFormat = {
  route: 'umami',
  onInvalid: 'dead-letter',
  overLimitCode: 'RATE_LIMITED',
  accepts: () => true,
  read,
  buildResponse: () => ({ status: 200, body: '{}' }),
}

const PAYLOAD: EventMapping = {
  fields: { name: ['name'], actor: ['id'], occurred_at: ['timestamp'] },
  read: { occurred_at: epochOf },
  properties: 'data',
  asProperties: ['url', 'title', 'referrer', 'tag'],
  rest: 'context',
}

/** `{"type":"event","payload":{"website":…}}` */
function read({ text }: RequestBody): IncomingBatch {
  const body = text()
  const { value, badNumbers } = parseBody(body)
  const payload = isObject(value) ? value.payload : undefined
  const site = siteOf(isObject(payload) ? payload.website : undefined)
  const list = { body, events: [value], at: undefined, badNumbers }
  return { ...batchOf(list, (_, numbers) => toItem(value, site, numbers)), ...site.sender }
}

function toItem(value: unknown, site: Site, badNumbers: readonly BadNumber[]): IncomingItem {
  if (!isObject(value)) return { raw: value, badNumbers }
  const { payload, type, ...rest } = value
  if (!isObject(payload)) {
    const detail = 'must be a JSON object'
    const faults = { code: 'EVENT_NOT_OBJECT', pointer: '/payload', detail } as const
    return { raw: undefined, badNumbers: [], faults }
  }
  const { website: _, ...event } = payload
  const isNamed = isSent(event.name)
  if (isNamed && type !== 'event') rest.type = type
  const mapped = mapEvent({ ...event, ...site.kept('website') }, PAYLOAD, {
    at: '/payload',
    context: Object.entries(rest).map(
      ([name, member]): Member => [name, member, { pointer: `/${name}` }],
    ),
  })
  if (!isNamed) {
    // Without a name it is a page view, or one of the other types.
    mapped.raw.name = type === undefined || type === 'event' ? 'pageview' : type
    mapped.pointerMap.add('/type', '/name')
  }
  return itemOf(mapped, badNumbers)
}
