import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { scopeOf } from '../../identity/viewer.ts'
import { ApiError, badInput } from '../../lib/api-error.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import type { RestEnv } from './admit.ts'
import {
  EVENT_DOCUMENT,
  EVENTS_DOCUMENT,
  type EventList,
  type EventNode,
  toRestEvent,
} from './events-document.ts'
import { chooseType, JSON_TYPE, problems, respond, tableContent } from './formats.ts'
import type { RunOperation } from './operation.ts'
import type { RespondWithStream } from './row-stream.ts'
import { event, eventId, eventsMeta, eventsQuery, tenantQuery } from './schemas.ts'

const list = createRoute({
  method: 'get',
  path: '/v1/events',
  tags: ['Queries'],
  summary: 'Single events',
  description: `Newest received first, in pages of up to ${QUERY_LIMITS.eventsPageMax}; as CSV and NDJSON up to ${QUERY_LIMITS.restStreamEventsMax} in one response. start, end, filter and request_id search single events: with them the range may have at most ${QUERY_LIMITS.rawEventsMax / 1e6} million.`,
  request: { query: eventsQuery },
  responses: { 200: tableContent(event, eventsMeta), ...problems },
})

const one = createRoute({
  method: 'get',
  path: '/v1/events/{id}',
  tags: ['Queries'],
  summary: 'One event',
  description:
    "The event with this id: the client's own, or its UUID. Where a server and a page sent the same id, the server's.",
  request: { params: eventId, query: tenantQuery },
  responses: {
    200: {
      description: 'The event.',
      content: { 'application/json': { schema: z.object({ data: event }) } },
    },
    ...problems,
  },
})

export interface EventRoutesDeps {
  runOperation: RunOperation
  respondWithStream: RespondWithStream
}

export function addEventRoutes(
  app: OpenAPIHono<RestEnv>,
  { runOperation, respondWithStream }: EventRoutesDeps,
): void {
  app.openapi(list, async (c) => {
    const query = c.req.valid('query')
    const { limit = QUERY_LIMITS.eventsPageDefault } = query
    const type = chooseType(c.req.header('accept'))
    const search = {
      tenant: query.tenant,
      name: query.name,
      startTime: query.start,
      endTime: query.end,
      filter: query.filter,
      requestId: query.request_id,
      idempotencyKey: query.idempotency_key,
    }
    if (limit > QUERY_LIMITS.eventsPageMax) {
      checkStream(type, query)
      const nextPage = pagesOf(c, runOperation, { ...search, after: query.after }, limit)
      const clientId = scopeOf(c.var.sender.viewer)
      return respondWithStream(c, { type, clientId, nextPage })
    }
    const { after, before } = query
    const backwards = before !== undefined && after === undefined
    const size = backwards ? { last: limit } : { first: limit }
    const variables = { ...search, after, before, ...size }
    const { data } = await runOperation<EventList>(c, EVENTS_DOCUMENT, variables)
    const { edges, pageInfo } = data.events
    return respond(c, {
      rows: edges.map(type === JSON_TYPE ? ({ node }) => toRestEvent(node) : toLine),
      meta: {
        next_cursor: pageInfo.hasNextPage ? pageInfo.endCursor : null,
        previous_cursor: pageInfo.hasPreviousPage ? pageInfo.startCursor : null,
      },
    })
  })

  app.openapi(one, async (c) => {
    const { id } = c.req.valid('param')
    const { tenant } = c.req.valid('query')
    const { data } = await runOperation<{ event: EventNode | null }>(c, EVENT_DOCUMENT, {
      tenant,
      id,
    })
    if (data.event === null) throw new ApiError('EVENT_NOT_FOUND')
    return respond(c, { row: toRestEvent(data.event) })
  })
}

function checkStream(type: string, { before }: { before?: string | undefined }): void {
  const { eventsPageMax } = QUERY_LIMITS
  if (type === JSON_TYPE)
    throw badInput('limit', `is at most ${eventsPageMax} as JSON; CSV and NDJSON may have more`)
  if (before !== undefined) throw badInput('before', `needs a limit of at most ${eventsPageMax}`)
}

function pagesOf(
  c: Context<RestEnv>,
  runOperation: RunOperation,
  search: Record<string, unknown> & { after: string | undefined },
  limit: number,
) {
  let { after } = search
  let left = limit
  return async () => {
    const first = Math.min(left, QUERY_LIMITS.eventsPageMax)
    const variables = { ...search, after, first }
    const { data } = await runOperation<EventList>(c, EVENTS_DOCUMENT, variables)
    const { edges, pageInfo } = data.events
    after = pageInfo.endCursor ?? after
    left -= edges.length
    return { rows: edges.map(toLine), hasNext: pageInfo.hasNextPage && left > 0 }
  }
}

/** With the cursor: a client that has a line can go on after it. */
function toLine({ cursor, node }: EventList['events']['edges'][number]) {
  return { ...toRestEvent(node), cursor }
}
