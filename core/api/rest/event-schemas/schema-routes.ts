import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { compileSchema } from '../../../../contract/schema/compile-schema.ts'
import { ApiError } from '../../../lib/api-error.ts'
import type {
  EventSchema,
  EventSchemaDetails,
  EventSchemasResult,
} from '../../../queries/schemas/event-schemas.ts'
import type { SchemaDrift } from '../../../queries/schemas/schema-drift.ts'
import { DRIFT_KINDS, driftToJson } from '../../../schemas/describe-drift.ts'
import { SHAPE_TYPES } from '../../../schemas/event-shape.ts'
import { SCHEMA_MODES } from '../../../schemas/pinned-schemas.ts'
import type { RestEnv } from '../admit.ts'
import { limit } from '../explore-schemas.ts'
import { changeProblems, problems, respond, tableContent } from '../formats.ts'
import { readBody, versionFor } from '../identity/read-body.ts'
import type { RunOperation } from '../operation.ts'
import { tenantParameter, tenantQuery, time } from '../schemas.ts'

const SCHEMA = 'name sampled firstAt lastAt paths pinned { version mode }'
const DETAILS = `schema { ${SCHEMA} } document generated
    properties { path presence types { type share } cardinality firstAt lastAt }`
const LIST = `query RestSchemas($tenant: ID, $limit: Int, $after: String) {
  list: eventSchemas(tenant: $tenant, limit: $limit, after: $after) { schemas { ${SCHEMA} } hasMore }
}`
const ONE = `query RestSchema($tenant: ID, $name: String!) {
  one: eventSchema(tenant: $tenant, name: $name) {
    ${DETAILS}
  }
}`
const DRIFT = `query RestSchemaDrift($tenant: ID, $name: String, $since: DateTime, $limit: Int) {
  drift: schemaDrift(tenant: $tenant, name: $name, since: $since, limit: $limit) {
    kind name path type formerTypes at lastAt share events detail version keyId keyName message
  }
}`

const PIN = `mutation RestPinSchema($tenant: ID, $name: String!, $mode: SchemaMode!, $document: String, $version: Int) {
  one: pinSchema(tenant: $tenant, name: $name, mode: $mode, document: $document, version: $version) { ${DETAILS} }
}`
const UNPIN = `mutation RestUnpinSchema($tenant: ID, $name: String!, $version: Int!) {
  unpinSchema(tenant: $tenant, name: $name, version: $version)
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
    first_at: instant.nullable(),
    last_at: instant.nullable(),
    paths: z.number().int(),
    pinned: z.object({ version: z.number().int(), mode: z.enum(SCHEMA_MODES) }).nullable(),
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
    type: z.enum(SHAPE_TYPES).nullable(),
    former_types: z.array(z.enum(SHAPE_TYPES)),
    at: instant.openapi({
      description: 'When it was seen first; of a property that vanished, last.',
    }),
    last_at: instant,
    share: share.nullable(),
    events: z.number(),
    detail: z.string().nullable(),
    version: z.number().int().nullable(),
    key_id: z.string().nullable(),
    key_name: z.string().nullable(),
    message: z.string(),
  })
  .openapi('SchemaDrift')

const tags = ['Queries']
const params = z.object({ name: z.string().openapi({ example: 'order' }) })
const PEOPLE =
  'For people who are signed in, not for API keys. If-Match has the pinned version, such as "3"; it is missing where none is pinned.'
const one = (description: string) => ({
  description,
  content: {
    'application/json': {
      schema: z.object({
        data: schema.extend({
          properties: z.array(property),
          schema: z.unknown().openapi({ description: 'The pinned schema; null without one.' }),
          generated: z.unknown().openapi({ description: 'A schema of what was learned.' }),
        }),
      }),
    },
  },
})
const pinBody = z
  .strictObject({
    mode: z.enum(SCHEMA_MODES),
    schema: z.unknown().optional().openapi({
      description: 'JSON Schema, draft 2020-12; the pinned or the generated one unless given.',
    }),
  })
  .openapi('SchemaPin')
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
      params,
      query: tenantQuery,
    },
    responses: {
      200: one('Its properties with their types, from a sample of events, and its schema.'),
      ...problems,
    },
  }),
  unpin: createRoute({
    method: 'delete',
    path: '/v1/schemas/{name}/pin',
    tags,
    summary: 'Unpin a schema',
    description: `Events of the name may be anything again. ${PEOPLE}`,
    request: { params, query: tenantQuery },
    responses: { 204: { description: 'It is unpinned.' }, ...changeProblems },
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
    return respond(c, { row: toDetails(one) })
  })
  app.openapi(routes.unpin, async (c) => {
    const { tenant } = c.req.valid('query')
    const { name } = c.req.valid('param')
    await runOperation(c, UNPIN, { tenant, name, version: versionFor(c, undefined) })
    return c.body(null, 204)
  })
  addPinRoute(app, runOperation)
}

/** Outside of zod, which loses a member called `__proto__`. */
function addPinRoute(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openAPIRegistry.registerPath({
    method: 'post',
    path: '/v1/schemas/{name}/pin',
    tags,
    summary: 'Pin a schema',
    description: `What events of the name have to look like, and what becomes of others. ${PEOPLE}`,
    request: {
      params,
      query: tenantQuery,
      body: { required: true, content: { 'application/json': { schema: pinBody } } },
    },
    responses: { 200: one('The schema, with its version.'), ...changeProblems },
  })
  app.post('/v1/schemas/:name/pin', async (c) => {
    const { mode, schema: sent } = await readBody(c, pinBody)
    // Indentation grows with the square of the depth; what cannot be pinned gets none.
    const indent = sent !== undefined && compileSchema(sent).ok ? 2 : undefined
    const { data } = await runOperation<{ one: EventSchemaDetails }>(c, PIN, {
      tenant: c.req.query('tenant'),
      name: c.req.param('name'),
      mode: mode.toUpperCase().replace('-', '_'),
      ...(sent !== undefined && { document: JSON.stringify(sent, null, indent) }),
      ...(c.req.header('if-match') !== undefined && { version: versionFor(c, undefined) }),
    })
    return respond(c, { row: toDetails(data.one) })
  })
}

function toDetails({ schema, properties, document, generated }: EventSchemaDetails) {
  return {
    ...toSchema(schema),
    properties: properties.map(({ cardinality, firstAt, lastAt, ...rest }) => ({
      ...rest,
      cardinality: cardinality?.toLowerCase() ?? null,
      first_at: firstAt,
      last_at: lastAt,
    })),
    schema: document === null ? null : JSON.parse(document),
    generated: generated === null ? null : JSON.parse(generated),
  }
}

/** Of GraphQL, whose modes are in capitals. */
function toSchema({ firstAt, lastAt, pinned, ...rest }: EventSchema) {
  const mode = pinned?.mode.toLowerCase().replace('_', '-')
  return { ...rest, first_at: firstAt, last_at: lastAt, pinned: pinned && { ...pinned, mode } }
}
