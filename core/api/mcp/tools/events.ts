import { z } from 'zod'
import { ApiError } from '../../../lib/api-error.ts'
import { MCP_LIMITS } from '../limits.ts'
import { toSafeJson, truncate } from '../untrusted.ts'
import { findNames, nearestNames } from './names.ts'
import { defineTool, maxTokens, type ToolContext, toInstant } from './tool.ts'

const LIST = `query McpEvents($name: String, $first: Int, $after: String) {
  events(name: $name, first: $first, after: $after) {
    edges { node { id name occurredAt receivedAt actor source value properties } }
    pageInfo { hasNextPage endCursor }
  }
}`

const ONE = `query McpEvent($id: ID!) {
  event(id: $id) { id name occurredAt clientOccurredAt receivedAt storedAt actor session source value properties context
    schemaVersion requestId trustClass partition offset }
}`

interface EventNode extends Record<string, unknown> {
  properties: Record<string, unknown>
}

interface EventList {
  events: {
    edges: { node: EventNode }[]
    pageInfo: { hasNextPage: boolean; endCursor: string | null }
  }
}

const FINALITY = 'a stored event does not change; others may still arrive'
const DEFINITION = 'single events as they are stored'
/** Of the properties of one event in a list. */
const LISTED_CHARS_MAX = 300

export const listEvents = defineTool({
  name: 'list_events',
  permission: 'events.read',
  description:
    'Single events, newest received first, properties shortened. get_event shows one in full.',
  schema: z.strictObject({
    name: z.string().min(1).max(MCP_LIMITS.nameCharsMax).optional().describe('Of this name only'),
    limit: z.int().min(1).max(MCP_LIMITS.eventsMax).default(MCP_LIMITS.eventsDefault),
    after: z.string().max(1_000).optional().describe('next_cursor of the page before'),
    max_tokens: maxTokens,
  }),
  async call({ name, limit, after }, context) {
    const asOf = toInstant(context.now())
    const { data } = await context.run<EventList>(LIST, { name, first: limit, after })
    const { edges, pageInfo } = data.events
    const empty = edges.length === 0 && after === undefined
    return {
      facts: {
        as_of: asOf,
        final: FINALITY,
        definition: DEFINITION,
        query_id: context.queryId({ tool: 'list_events', name, limit, after }),
        events: edges.length,
        has_more: pageInfo.hasNextPage,
      },
      notes: empty ? [NO_EVENTS] : [],
      subject: {
        ...(name !== undefined && { name }),
        ...(pageInfo.hasNextPage && { next_cursor: pageInfo.endCursor }),
        link: context.link({ name }),
      },
      rows: edges.map(({ node }) => shorten(node)),
      hint: 'pass a smaller limit with the cursor, or max_tokens.',
      ...(empty && name !== undefined && (await nearest(context, name))),
    }
  },
})

const NO_EVENTS =
  'no such events are held: none arrived, the name is spelled differently, or their days were dropped by retention.'

async function nearest(context: ToolContext, name: string) {
  const now = toInstant(context.now())
  const { names } = await findNames(context, { start: toInstant(context.now() - 1_000), end: now })
  const rows = nearestNames(
    name,
    names.map((each) => each.name),
  ).slice(0, MCP_LIMITS.nearestMax)
  if (rows.length === 0 || rows.includes(name)) return { notes: [NO_EVENTS] }
  return {
    notes: [NO_EVENTS, 'the nearest names of the last 30 days are listed.'],
    columns: ['nearest_name'],
    rows: rows.map((each) => [truncate(each, MCP_LIMITS.nameCharsMax)]),
  }
}

function shorten({ properties, ...fields }: EventNode): object {
  const known = Object.entries(fields).filter(([, value]) => value !== null)
  return {
    ...Object.fromEntries(
      known.map(([field, value]) => [
        field,
        typeof value === 'string' ? truncate(value, MCP_LIMITS.cellCharsMax) : value,
      ]),
    ),
    properties: within(properties, LISTED_CHARS_MAX),
  }
}

/** The value itself if its text is short enough, else the beginning of its text. */
function within(value: unknown, charsMax: number): unknown {
  const text = JSON.stringify(value)
  return text.length <= charsMax ? value : truncate(text, charsMax)
}

export const getEvent = defineTool({
  name: 'get_event',
  permission: 'events.read',
  description: 'One event with all of its fields, by its id.',
  schema: z.strictObject({
    id: z.string().min(1).max(256),
    max_tokens: maxTokens,
  }),
  async call({ id, max_tokens }, context) {
    const asOf = toInstant(context.now())
    const { data } = await context.run<{ event: EventNode | null }>(ONE, { id })
    const { event } = data
    if (event === null)
      throw new ApiError(
        'EVENT_NOT_FOUND',
        'No event with this id is held: it was never stored, or its day was dropped by retention. list_events shows ids that exist.',
      )
    const entries = Object.entries(event).filter(([, value]) => value !== null)
    // Two characters a token, and half for the rest of the text.
    const charsMax = Math.floor(max_tokens / 2)
    const rows = entries.map(([field, value]) => {
      const text = toSafeJson(value)
      return { [field]: text.length <= charsMax ? value : within(value, Math.floor(charsMax / 2)) }
    })
    const isCut = entries.some(([, value]) => toSafeJson(value).length > charsMax)
    return {
      facts: {
        as_of: asOf,
        final: FINALITY,
        definition: DEFINITION,
        query_id: context.queryId({ tool: 'get_event', id }),
      },
      notes: isCut ? ['long fields are cut; pass max_tokens to see more of them.'] : [],
      subject: { link: context.link({ name: String(event.name) }) },
      rows,
    }
  },
})
