import { isObject } from '../../../contract/json/is-object.ts'
import { publicKeyInAddress } from '../../auth/authenticate.ts'
import type { Fields } from '../common/add-members.ts'
import { epochOf } from '../common/map-event.ts'
import { queryOf } from '../common/query.ts'
import { batchOf, parseBody, unreadableBody } from '../common/read-batch.ts'
import { siteOf } from '../common/site.ts'
import type { IncomingBatch, IngestFormat, RequestBody } from '../ingest-format.ts'
import { toItem } from './event.ts'

/**
 * Snowplow's tracker protocol. Its trackers send no key, drop on 400, 401, 403, 410 and 422, and send everything
 * else again with the same ids.
 */
export const snowplow: IngestFormat = {
  route: 'snowplow',
  onInvalid: 'dead-letter',
  overLimitCode: 'RATE_LIMITED',
  accepts: () => true,
  read: ({ text }) => readPayload(text()),
  buildResponse: () => ({ status: 200, body: 'ok', type: 'text/plain' }),
}

/** One event in the query of an image's address. */
export const snowplowPixel: IngestFormat = {
  ...snowplow,
  read: readQuery,
  // `sendPixel` replaces the body.
  buildResponse: () => ({ status: 200, body: '' }),
}

/** `{"schema":"iglu:…/payload_data/…","data":[…]}` */
function readPayload(body: string): IncomingBatch {
  const { value, badNumbers } = parseBody(body)
  if (!isObject(value) || !Array.isArray(value.data))
    return unreadableBody(body, {
      code: 'EVENT_NOT_OBJECT',
      pointer: '/data',
      detail: 'must be an array of events',
    })
  const events: readonly unknown[] = value.data
  const [first] = events
  const appIds = new Set(events.map((event) => (isObject(event) ? event.aid : undefined)))
  // Each app id could belong to another tenant, so several need a key in a header.
  const site = siteOf(appIds.size === 1 && isObject(first) ? first.aid : undefined)
  const list = { body, events, at: '/data', badNumbers } as const
  return {
    ...batchOf(list, (event, numbers) => ({
      ...toItem(event, isKey(event)),
      ...(numbers.length > 0 && { badNumbers: numbers }),
    })),
    ...site.sender,
    sentAt: isObject(first) ? epochOf(first.stm) : undefined,
    client: clientIn(first),
  }
}

function readQuery({ request }: RequestBody): IncomingBatch {
  const event: Fields = Object.fromEntries(
    [...queryOf(request)].filter(([name]) => name !== 'key' && name !== 'historical'),
  )
  const { sender } = siteOf(event.aid)
  if (sender.apiKey) publicKeyInAddress(sender.apiKey, 'aid')
  const body = JSON.stringify(event)
  return {
    ...batchOf({ body, events: [event], at: undefined, badNumbers: [] }, () =>
      toItem(event, isKey(event)),
    ),
    ...sender,
    sentAt: epochOf(event.stm),
    client: clientIn(event),
    // The body is empty: the event is in the address.
    fingerprintExtra: body,
  }
}

function isKey(event: unknown): boolean {
  return isObject(event) && typeof event.aid === 'string' && event.aid.startsWith('slc_')
}

/** The tracker's name and version: node-4.8.0 */
function clientIn(event: unknown): string | undefined {
  const version = isObject(event) ? event.tv : undefined
  return typeof version === 'string' ? `snowplow-${version}` : undefined
}
