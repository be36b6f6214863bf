import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { ApiError } from '../../../lib/api-error.ts'
import type {
  EventSchema,
  EventSchemaDetails,
  EventSchemasResult,
} from '../../../queries/schemas/event-schemas.ts'
import type { SchemaDrift } from '../../../queries/schemas/schema-drift.ts'
import { DRIFT_KINDS, driftToJson } from '../../../schemas/describe-drift.ts'
import { SHAPE_TYPES } from '../../../schemas/event-shape.ts'
import type { RestEnv } from '../admit.ts'
import { limit } from '../explore-schemas.ts'
import { problems, respond, tableContent } from '../formats.ts'
import type { RunOperation } from '../operation.ts'
import { tenantParameter, tenantQuery, time } from '../schemas.ts'

const SCHEMA = 'name sampled firstAt lastAt paths'
const LIST = `query RestSchemas($tenant: ID, $limit: Int, $after: String) {
  list: eventSchemas(tenant: $tenant, limit: $limit, after: $after) { schemas { ${SCHEMA} } hasMore }
}`
const ONE = `query RestSchema($tenant: ID, $name: String!) {
  one: eventSchema(tenant: $tenant, name: $name) {
    schema { ${SCHEMA} }
    properties { path presence types { type share } cardinality firstAt lastAt }
  }
}`
const DRIFT = `query RestSchemaDrift($tenant: ID, $name: String, $since: DateTime, $limit: Int) {
  drift: schemaDrift(tenant: $tenant, name: $name, since: $since, limit: $limit) {
    kind name path type formerTypes at lastAt share keyId keyName message
  }
}`

const instant = z.string().openapi({ format: 'date-time' })
const share = z.number().openapi({ description: 'From 0 to 1.' })
const path = z.string().openapi({
  description: 'A JSON pointer into the properties; "[]" stands for the items of an array.',
})

const schema = z
  .object({
    name: z.string(),
    sampled: z.number().openapi({ description: 'How many events were sampled.' }),
    first_at: instant,
    last_at: instant,
    paths: z.number().int(),
  })
  .openapi('LearnedSchema')

const property = z.object({
  path,
  presence: share,
  types: z.array(z.object({ type: z.enum(SHAPE_TYPES), share })),
  cardinality: z.enum(['one', 'few', 'many']).nullable().openapi({
    description: 'How many different values were seen; null for objects and arrays.',
  }),
  first_at: instant,
  last_at: instant,
})

const drift = z
  .object({
    kind: z.enum(DRIFT_KINDS.map((kind) => kind.toLowerCase()) as [string]),
    name: z.string(),
    path,
    type: z.enum(SHAPE_TYPES),
    former_types: z.array(z.enum(SHAPE_TYPES)),
    at: instant.openapi({
      description: 'When it was seen first; of a property that vanished, last.',
    }),
    last_at: instant,
    share,
    key_id: z.string().nullable(),
    key_name: z.string().nullable(),
    message: z.string(),
  })
  .openapi('SchemaDrift')

const tags = ['Queries']
const routes = {
  list: createRoute({
    method: 'get',
    path: '/v1/schemas',
    tags,
    summary: 'Event names whose schema was learned',
    request: {
      query: z.strictObject({
        limit,
        after: z.string().optional().openapi({ description: 'The last name of the page before.' }),
        tenant: tenantParameter,
      }),
    },
    responses: {
      200: tableContent(schema, z.object({ has_more: z.boolean() }).openapi('LearnedSchemasMeta')),
      ...problems,
    },
  }),
  drift: createRoute({
    method: 'get',
    path: '/v1/schemas/drift',
    tags,
    summary: 'Changes of events against what was learned',
    request: {
      query: z.strictObject({
        name: z.string().optional().openapi({ description: 'Of events of this name alone.' }),
        since: time('Seven days ago unless given.').optional(),
        limit,
        tenant: tenantParameter,
      }),
    },
    responses: {
      200: tableContent(drift, z.object({}).openapi('SchemaDriftMeta')),
      ...problems,
    },
  }),
  one: createRoute({
    method: 'get',
    path: '/v1/schemas/{name}',
    tags,
    summary: 'What was learned about events of a name',
    request: {
      params: z.object({ name: z.string().openapi({ example: 'order' }) }),
      query: tenantQuery,
    },
    responses: {
      200: {
        description: 'Its properties with their types, from a sample of events.',
        content: {
          'application/json': {
            schema: z.object({ data: schema.extend({ properties: z.array(property) }) }),
          },
        },
      },
      ...problems,
    },
  }),
}

/** Of learned schemas and drift. */
export function addSchemaRoutes(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openapi(routes.list, async (c) => {
    type Data = { list: Pick<EventSchemasResult, 'hasMore'> & { schemas: EventSchema[] } }
    const { data } = await runOperation<Data>(c, LIST, c.req.valid('query'))
    const { schemas, hasMore } = data.list
    return respond(c, { rows: schemas.map(toSchema), meta: { has_more: hasMore } })
  })
  app.openapi(routes.drift, async (c) => {
    const { data } = await runOperation<{ drift: SchemaDrift[] }>(c, DRIFT, c.req.valid('query'))
    return respond(c, { rows: data.drift.map(driftToJson), meta: {} })
  })
  app.openapi(routes.one, async (c) => {
    const variables = { ...c.req.valid('param'), ...c.req.valid('query') }
    const { one } = (await runOperation<{ one: EventSchemaDetails | null }>(c, ONE, variables)).data
    if (!one) throw new ApiError('SCHEMA_NOT_FOUND')
    const properties = one.properties.map(({ cardinality, firstAt, lastAt, ...rest }) => ({
      ...rest,
      cardinality: cardinality?.toLowerCase() ?? null,
      first_at: firstAt,
      last_at: lastAt,
    }))
    return respond(c, { row: { ...toSchema(one.schema), properties } })
  })
}

function toSchema({ firstAt, lastAt, ...rest }: EventSchema) {
  return { ...rest, first_at: firstAt, last_at: lastAt }
}
