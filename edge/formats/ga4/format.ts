import { isObject } from '../../../contract/json/is-object.ts'
import type { BadNumber } from '../../../contract/json/json.ts'
import { publicKeyInAddress } from '../../auth/authenticate.ts'
import type { Fields, Member } from '../common/add-members.ts'
import {
  type EventMapping,
  epochOf,
  isSent,
  itemOf,
  labelOf,
  mapEvent,
  numberOf,
} from '../common/map-event.ts'
import { queryOf } from '../common/query.ts'
import { batchOf, isCopiable, parseBody, unreadableBody } from '../common/read-batch.ts'
import type { IncomingBatch, IncomingItem, IngestFormat, RequestBody } from '../ingest-format.ts'

/** Google Analytics 4's Measurement Protocol. Its clients read nothing of the response. */
export const ga4: IngestFormat = {
  route: 'ga4',
  onInvalid: 'dead-letter',
  overLimitCode: 'RATE_LIMITED',
  // Google's own examples send no media type.
  accepts: () => true,
  read,
  buildResponse: () => ({ status: 204, body: '' }),
}

const PARAMS: EventMapping = {
  fields: { session: ['session_id'], value: ['value'] },
  read: { session: labelOf, value: numberOf },
  copied: ['session', 'value'],
  rest: 'properties',
}

const ACTORS = ['user_id', 'client_id', 'app_instance_id'] as const

/** What a body says about all of its events. */
interface Visit {
  actor: unknown
  actorAt: string
  time: unknown
  members: readonly Member[]
}

function read({ text, request }: RequestBody): IncomingBatch {
  const query = queryOf(request)
  const secret = query.get('api_secret')
  const sender = {
    site: query.get('measurement_id') ?? query.get('firebase_app_id') ?? undefined,
    // Any other secret belongs to Google.
    apiKey: secret?.startsWith('slc_') ? publicKeyInAddress(secret, 'api_secret') : undefined,
  }
  const body = text()
  const { value, badNumbers } = parseBody(body)
  if (!isObject(value) || !Array.isArray(value.events))
    return {
      ...sender,
      ...unreadableBody(body, {
        code: 'EVENT_NOT_OBJECT',
        pointer: '/events',
        detail: 'must be an array of events',
      }),
    }
  const { events, ...rest } = value
  if (!isCopiable(rest, events.length))
    return {
      ...sender,
      ...unreadableBody(body, {
        code: 'EVENT_TOO_LARGE',
        detail: `what surrounds the events is too large to be copied into ${events.length.toLocaleString('en')} of them`,
      }),
    }
  const visit = visitOf(rest)
  const common = badNumbers.filter(({ pointer }) => !pointer.startsWith('/events/')).slice(0, 1)
  const batch = batchOf({ body, events, at: '/events', badNumbers }, (event, numbers) =>
    toItem(event, visit, [...common, ...numbers]),
  )
  return { ...batch, ...sender }
}

function visitOf({ timestamp_micros, ...sent }: Fields): Visit {
  const actor = ACTORS.find((name) => isSent(sent[name]))
  const members = Object.entries(sent)
    .filter(([name]) => name !== actor)
    .map(([name, value]): Member => [name, value, name])
  return {
    actor: actor && sent[actor],
    actorAt: `/${actor ?? ACTORS[0]}`,
    time: timestamp_micros,
    members,
  }
}

function toItem(event: unknown, visit: Visit, badNumbers: readonly BadNumber[]): IncomingItem {
  if (!isObject(event)) return { raw: event, badNumbers }
  const { name, params, timestamp_micros: own, ...others } = event
  const context = [
    ...Object.entries(others).map(([key, value]): Member => [key, value, key]),
    ...visit.members,
  ]
  const { raw, pointerMap } = mapEvent(isObject(params) ? params : {}, PARAMS, {
    at: '/params',
    context: context.map(([key, value, from]) => [key, value, { pointer: `/${from}` }]),
  })
  pointerMap.add('/params', '/properties')
  if (params !== undefined && params !== null && !isObject(params)) raw.properties = params
  raw.name = name ?? null
  raw.occurred_at = epochOf(own ?? visit.time ?? null)
  pointerMap.add('/timestamp_micros', '/occurred_at')
  raw.actor = visit.actor ?? null
  pointerMap.add(visit.actorAt, '/actor')
  return itemOf({ raw, pointerMap }, badNumbers)
}
