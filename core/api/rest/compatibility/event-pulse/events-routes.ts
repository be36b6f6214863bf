import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { readTime } from '../../../../../contract/event/time.ts'
import { scopeOf } from '../../../../identity/viewer.ts'
import { ApiError, badInput } from '../../../../lib/api-error.ts'
import { pause } from '../../../../lib/pause.ts'
import { fromMicros, toMicros } from '../../../../queries/instant.ts'
import { QUERY_LIMITS } from '../../../../queries/limits.ts'
import { responseTooLarge } from '../../../graphql/json-value.ts'
import type { RestEnv } from '../../admit.ts'
import {
  EVENT_DOCUMENT,
  EVENTS_DOCUMENT,
  type EventList,
  type EventNode,
} from '../../events-document.ts'
import { tenantParameter, time } from '../../schemas.ts'
import { type App, type CompatibilityDeps, onlyTenant, responsesOf } from '../shared.ts'

const LIMIT_DEFAULT = 50
const LIMIT_MAX = 500
/** Events before the offset are read and dropped. */
const OFFSET_MAX = 1_000

const event = z
  .object({
    event_id: z.string(),
    event_type: z.string(),
    source: z.string().nullable(),
    timestamp: z.string().openapi({ format: 'date-time' }),
    payload: z.record(z.string(), z.unknown()),
    metadata: z.record(z.string(), z.unknown()),
    created_at: z.string().openapi({ format: 'date-time' }),
  })
  .openapi('EventPulseEvent')

const integer = (description: string) =>
  z.coerce.number().int('must be an integer').optional().openapi({ type: 'integer', description })

const list = createRoute({
  method: 'get',
  path: '/api/v1/events',
  tags: ['EventPulse'],
  summary: 'Single events, newest received first',
  request: {
    query: z.object({
      limit: integer(
        `${LIMIT_DEFAULT} unless given; what is beyond 1 and ${LIMIT_MAX} is clamped.`,
      ),
      offset: integer(`At most ${OFFSET_MAX}; the cursors of /v1/events reach any event.`),
      event_type: z.string().optional(),
      source: z.string().optional(),
      from: time('The first instant, by the time of occurrence.').optional(),
      to: time('The last instant, included.').optional(),
      tenant: tenantParameter,
    }),
  },
  responses: responsesOf(
    'A page.',
    z.object({
      data: z.array(event),
      pagination: z.object({
        limit: z.number().int(),
        offset: z.number().int(),
        count: z.number().int(),
      }),
    }),
  ),
})

const one = createRoute({
  method: 'get',
  path: '/api/v1/events/{event_id}',
  tags: ['EventPulse'],
  summary: 'One event',
  request: { params: z.object({ event_id: z.string() }), query: onlyTenant },
  responses: responsesOf('The event.', event),
})

export function addEventPulseEvents(app: App, deps: CompatibilityDeps): void {
  const { runOperation } = deps
  app.openapi(list, async (c) => {
    const query = c.req.valid('query')
    const limit = Math.min(Math.max(query.limit ?? LIMIT_DEFAULT, 1), LIMIT_MAX)
    const offset = Math.max(query.offset ?? 0, 0)
    if (offset > OFFSET_MAX)
      throw badInput(
        'offset',
        `is at most ${OFFSET_MAX}; the cursors of /v1/events reach any event`,
      )
    const search = {
      tenant: query.tenant,
      name: query.event_type,
      filter: query.source === undefined ? undefined : sourceFilter(query.source),
      startTime: query.from,
      endTime: query.to === undefined ? undefined : justAfter(query.to),
    }
    if (query.from !== undefined && query.to !== undefined)
      if (instantOf(query.from) > instantOf(query.to))
        throw badInput('from', 'must not be after to')
    const nodes = await readEvents(c, deps, search, { offset, limit })
    const data = nodes.map(toEventPulse)
    return c.json({ data, pagination: { limit, offset, count: data.length } }, 200)
  })

  app.openapi(one, async (c) => {
    const { event_id: id } = c.req.valid('param')
    const { tenant } = c.req.valid('query')
    const variables = { tenant, id }
    const { data } = await runOperation<{ event: EventNode | null }>(c, EVENT_DOCUMENT, variables)
    if (data.event === null) throw new ApiError('EVENT_NOT_FOUND')
    return c.json(toEventPulse(data.event), 200)
  })
}

export function sourceFilter(source: string) {
  return [{ dimension: 'source', in: [source] }]
}

interface Part {
  offset: number
  limit: number
}

/**
 * Page by page, as large as GraphQL has them. Events are held until the last one is there, so those of several pages
 * are limited as streams are.
 * @throws OVERLOADED, QUERY_TOO_LARGE
 */
async function readEvents(
  c: Context<RestEnv>,
  deps: CompatibilityDeps,
  search: Record<string, unknown>,
  part: Part,
): Promise<EventNode[]> {
  if (part.offset + part.limit <= QUERY_LIMITS.eventsPageMax)
    return readPages(c, deps, search, part)
  const release = deps.acquirePages(scopeOf(c.var.sender.viewer))
  try {
    return await readPages(c, deps, search, part)
  } finally {
    release()
  }
}

async function readPages(
  c: Context<RestEnv>,
  { runOperation, budget }: CompatibilityDeps,
  search: Record<string, unknown>,
  { offset, limit }: Part,
): Promise<EventNode[]> {
  const nodes: EventNode[] = []
  let after: string | null = null
  let charsHeld = 0
  for (let left = offset + limit; left > 0; ) {
    const first = Math.min(left, QUERY_LIMITS.eventsPageMax)
    const variables: Record<string, unknown> = { ...search, first, after }
    const { data, chars } = await runOperation<EventList>(c, EVENTS_DOCUMENT, variables)
    const { edges, pageInfo } = data.events
    const found = edges.slice(Math.max(0, left - limit))
    if (found.length > 0) charsHeld += chars
    if (charsHeld > QUERY_LIMITS.responseBytesMax) throw responseTooLarge()
    nodes.push(...found.map(({ node }) => node))
    left -= edges.length
    after = pageInfo.endCursor
    if (left <= 0 || !pageInfo.hasNextPage) break
    await pause(budget.waitMs(scopeOf(c.var.sender.viewer)), c.req.raw.signal)
  }
  return nodes
}

function toEventPulse(node: EventNode) {
  return {
    event_id: node.id,
    event_type: node.name,
    source: node.source,
    timestamp: node.occurredAt,
    payload: node.properties,
    metadata: node.context ?? {},
    created_at: node.storedAt,
  }
}

/** @param text that the schema has checked */
function instantOf(text: string): bigint {
  const read = readTime(text)
  return read.ok ? toMicros(read.time) : 0n
}

/** Ranges end before their end; this one includes it. */
function justAfter(text: string): string {
  return fromMicros(instantOf(text) + 1n)
}
