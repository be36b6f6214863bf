import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { ApiError } from '../../lib/api-error.ts'
import { type MetricDefinition, parseMetricDefinition } from '../../metrics/metric-definition.ts'
import { METRIC_LIMITS } from '../../metrics/metric-limits.ts'
import type { ListedMetric } from '../../queries/metric-definitions.ts'
import { readJson } from '../http/read-json.ts'
import type { RestEnv } from './admit.ts'
import { changeProblems, problems, respond } from './formats.ts'
import type { RunOperation } from './operation.ts'
import { tenantQuery } from './schemas.ts'

const FIELDS = `name version events filter { dimension in } value dimensions activatedAt state completeSince series
  backfill { daysTotal daysDone events }`
const LIST = `query RestDefinitions($tenant: ID, $name: String) { list: metricDefinitions(tenant: $tenant, name: $name) { ${FIELDS} } }`
const DECLARE = `mutation RestDeclare($tenant: ID, $definition: MetricDefinitionInput!) {
  declared: declareMetric(tenant: $tenant, definition: $definition) { ${FIELDS} } }`
const RETIRE = `mutation RestRetire($tenant: ID, $name: String!) { retireMetric(tenant: $tenant, name: $name) }`

const texts = z.array(z.string())
const definition = z.object({
  name: z.string(),
  events: z.union([texts, z.literal('*')]).openapi({ description: 'Names of events; "*": all.' }),
  filter: z.record(z.string(), texts).openapi({
    description: 'Values by dimension; an event has to have one of each.',
  }),
  value: z
    .string()
    .openapi({ description: '"value", or the path of a property that is a number.' }),
  dimensions: texts,
})

const declaredMetric = z
  .object({
    definition: definition.extend({ version: z.number().int() }),
    state: z.enum(['backfilling', 'active']),
    activated_at: z.string(),
    backfill: z.object({
      days_total: z.number().int(),
      days_done: z.number().int(),
      events: z.number(),
      complete_since: z.string().nullable().openapi({
        description: 'Buckets from then on have all events; null: all buckets.',
      }),
    }),
    series: z.number().int(),
    series_max: z.number().int(),
  })
  .openapi('DeclaredMetric')

const one = (description: string) => ({
  description,
  content: { 'application/json': { schema: z.object({ data: declaredMetric }) } },
})
const path = '/v1/metric-definitions'
const tags = ['Queries']
const metricName = z.object({
  name: z.string().openapi({ description: 'The name of a declared metric.', example: 'sales' }),
})
const EXAMPLE = {
  name: 'sales',
  events: ['order'],
  filter: { plan: ['pro', 'team'] },
  value: 'cart.total',
  dimensions: ['source'],
}
const ADMIN = 'Takes an API key with the scope admin, or a person who is signed in.'

const routes = {
  list: createRoute({
    method: 'get',
    path,
    tags,
    summary: 'Declared metrics',
    request: { query: tenantQuery },
    responses: {
      200: {
        description: 'All of them, by name.',
        content: { 'application/json': { schema: z.object({ data: z.array(declaredMetric) }) } },
      },
      ...problems,
    },
  }),
  get: createRoute({
    method: 'get',
    path: `${path}/{name}`,
    tags,
    summary: 'One declared metric',
    request: { params: metricName, query: tenantQuery },
    responses: { 200: one('The metric, with how far its history is counted.'), ...problems },
  }),
  remove: createRoute({
    method: 'delete',
    path: `${path}/{name}`,
    tags,
    summary: 'Remove a metric',
    description: `It counts nothing any more, and its name is free. ${ADMIN}`,
    request: { params: metricName, query: tenantQuery },
    responses: { 204: { description: 'It is removed.' }, ...changeProblems },
  }),
}

export function addDefinitionRoutes(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  const find = async (c: Context<RestEnv>, tenant: string | undefined, name?: string) =>
    (await runOperation<{ list: ListedNode[] }>(c, LIST, { tenant, name })).data.list

  app.openapi(routes.list, async (c) => {
    const { tenant } = c.req.valid('query')
    return respond(c, { rows: (await find(c, tenant)).map(toRestMetric), meta: {} })
  })
  app.openapi(routes.get, async (c) => {
    const { tenant } = c.req.valid('query')
    const [found] = await find(c, tenant, c.req.valid('param').name)
    if (!found) throw new ApiError('METRIC_NOT_FOUND')
    return respond(c, { row: toRestMetric(found) })
  })
  app.openapi(routes.remove, async (c) => {
    const { tenant } = c.req.valid('query')
    await runOperation(c, RETIRE, { tenant, name: c.req.valid('param').name })
    return c.body(null, 204)
  })
  addDeclareRoute(app, runOperation)
}

/** Outside of zod, whose errors have no JSON pointers, and which loses a member called `__proto__`. */
function addDeclareRoute(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openAPIRegistry.registerPath({
    method: 'post',
    path,
    tags,
    summary: 'Declare a metric, or change it',
    description: `A changed definition is a new version, whose history is counted again. All members but the name may be left out. ${ADMIN}`,
    request: {
      query: tenantQuery,
      body: {
        required: true,
        content: {
          'application/json': {
            schema: definition.partial().required({ name: true }),
            example: EXAMPLE,
          },
        },
      },
    },
    responses: { 201: one('The metric.'), ...changeProblems },
  })
  app.post(path, async (c) => {
    const tenant = c.req.query('tenant')
    const definition = toInput(parseMetricDefinition(await readJson(c)))
    const { data } = await runOperation<{ declared: ListedNode }>(c, DECLARE, {
      tenant,
      definition,
    })
    const location = `${path}/${encodeURIComponent(definition.name)}`
    return c.json({ data: toRestMetric(data.declared) }, 201, { Location: location })
  })
}

function toInput({ name, events, filters, value, dimensions }: MetricDefinition) {
  return { name, events, filter: filters, value, dimensions }
}

/** As GraphQL returns it. */
type ListedNode = Omit<ListedMetric, 'filters' | 'events'> & {
  events: string[] | null
  filter: ListedMetric['filters']
}

function toRestMetric(node: ListedNode) {
  const { name, version, events, filter, value, dimensions, backfill } = node
  return {
    definition: {
      name,
      version,
      events: events ?? '*',
      filter: Object.fromEntries(filter.map((each) => [each.dimension, each.in])),
      value,
      dimensions,
    },
    state: node.state.toLowerCase(),
    activated_at: node.activatedAt,
    backfill: {
      days_total: backfill.daysTotal,
      days_done: backfill.daysDone,
      events: backfill.events,
      complete_since: node.completeSince,
    },
    series: node.series,
    series_max: METRIC_LIMITS.seriesMax,
  }
}
