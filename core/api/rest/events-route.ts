import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { ApiError } from '../../lib/api-error.ts'
import type { StoredEvent } from '../../queries/sql/event-row.ts'
import type { RestEnv } from './admit.ts'
import { problems, respond, tableContent } from './formats.ts'
import type { RunOperation } from './operation.ts'
import { event, eventId, eventsMeta, eventsQuery, tenantQuery } from './schemas.ts'

const FIELDS = `id name occurredAt clientOccurredAt receivedAt storedAt actor session source value properties context
  schemaVersion requestId trustClass partition offset`

const LIST = `query RestEvents($tenant: ID, $name: String, $first: Int, $after: String, $last: Int, $before: String) {
  events(tenant: $tenant, name: $name, first: $first, after: $after, last: $last, before: $before) {
    edges { node { ${FIELDS} } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}`

const ONE = `query RestEvent($tenant: ID, $id: ID!) { event(tenant: $tenant, id: $id) { ${FIELDS} } }`

const list = createRoute({
  method: 'get',
  path: '/v1/events',
  summary: 'Single events',
  description: 'Newest received first, in pages.',
  request: { query: eventsQuery },
  responses: { 200: tableContent(event, eventsMeta), ...problems },
})

const one = createRoute({
  method: 'get',
  path: '/v1/events/{id}',
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

/** An event as GraphQL returns it. */
type EventNode = Omit<StoredEvent, 'trust' | 'eventId'> & { trustClass: string }

interface EventList {
  events: {
    edges: { node: EventNode }[]
    pageInfo: {
      hasNextPage: boolean
      hasPreviousPage: boolean
      startCursor: string | null
      endCursor: string | null
    }
  }
}

export function addEventRoutes(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openapi(list, async (c) => {
    const { tenant, name, limit, after, before } = c.req.valid('query')
    const backwards = before !== undefined && after === undefined
    const size = backwards ? { last: limit } : { first: limit }
    const variables = { tenant, name, after, before, ...size }
    const { data } = await runOperation<EventList>(c, LIST, variables)
    const { edges, pageInfo } = data.events
    return respond(c, {
      rows: edges.map(({ node }) => toRestEvent(node)),
      meta: {
        next_cursor: pageInfo.hasNextPage ? pageInfo.endCursor : null,
        previous_cursor: pageInfo.hasPreviousPage ? pageInfo.startCursor : null,
      },
    })
  })

  app.openapi(one, async (c) => {
    const { id } = c.req.valid('param')
    const { tenant } = c.req.valid('query')
    const { data } = await runOperation<{ event: EventNode | null }>(c, ONE, {
      tenant,
      id,
    })
    if (data.event === null) throw new ApiError('EVENT_NOT_FOUND')
    return respond(c, { row: toRestEvent(data.event) })
  })
}

function toRestEvent(node: EventNode) {
  return {
    id: node.id,
    name: node.name,
    occurred_at: node.occurredAt,
    client_occurred_at: node.clientOccurredAt,
    received_at: node.receivedAt,
    stored_at: node.storedAt,
    actor: node.actor,
    session: node.session,
    source: node.source,
    value: node.value,
    properties: node.properties,
    context: node.context,
    schema_version: node.schemaVersion,
    request_id: node.requestId,
    trust_class: node.trustClass.toLowerCase(),
    partition: node.partition,
    offset: node.offset,
  }
}
