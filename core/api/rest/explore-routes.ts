import { createRoute, type OpenAPIHono } from '@hono/zod-openapi'
import type { EventNamesResult } from '../../queries/explore/event-names.ts'
import type { EventPropertiesResult } from '../../queries/explore/event-properties.ts'
import type { TopValuesResult, ValueCount } from '../../queries/explore/top-values.ts'
import { infoOf } from '../operations/run-operation.ts'
import type { RestEnv } from './admit.ts'
import {
  eventName,
  eventProperty,
  namesMeta,
  namesQuery,
  propertiesMeta,
  propertiesQuery,
  topMeta,
  topQuery,
  valueCount,
} from './explore-schemas.ts'
import { problems, respond, tableContent } from './formats.ts'
import { toMeta } from './meta.ts'
import type { RunOperation } from './operation.ts'
import { metricName } from './schemas.ts'

const NAMES = `query RestNames($tenant: ID, $search: String, $start: DateTime, $end: DateTime, $limit: Int) {
  names: eventNames(tenant: $tenant, search: $search, startTime: $start, endTime: $end, limit: $limit) {
    names { name count } hasMore complete
  }
}`

const PROPERTIES = `query RestProperties($tenant: ID, $name: String!, $start: DateTime!, $end: DateTime!) {
  properties(tenant: $tenant, name: $name, startTime: $start, endTime: $end) {
    properties { path types count share } sampled
  }
}`

const TOP = `query RestTop($tenant: ID, $name: String!, $dimension: String!, $start: DateTime!, $end: DateTime!,
  $filter: [DimensionFilter!], $search: String, $limit: Int) {
  top: topValues(tenant: $tenant, name: $name, dimension: $dimension, startTime: $start, endTime: $end, filter: $filter,
    search: $search, limit: $limit) {
    values { value count share isOther } total found
  }
}`

const names = createRoute({
  method: 'get',
  path: '/v1/names',
  tags: ['Queries'],
  summary: 'Event names',
  description: 'In alphabetical order, or those of a range, the most frequent first.',
  request: { query: namesQuery },
  responses: { 200: tableContent(eventName, namesMeta), ...problems },
})

const properties = createRoute({
  method: 'get',
  path: '/v1/properties',
  tags: ['Queries'],
  summary: 'Properties of events',
  description:
    'Paths and types of the properties that the newest events of a range have. Shares are rough, and rare properties may be missing.',
  request: { query: propertiesQuery },
  responses: { 200: tableContent(eventProperty, propertiesMeta), ...problems },
})

const top = createRoute({
  method: 'get',
  path: '/v1/top/{name}',
  tags: ['Queries'],
  summary: 'The most frequent values of a dimension',
  description:
    'Exact counts; all other events are the last row, "(other)", so that the rows add up to the total.',
  request: { params: metricName, query: topQuery },
  responses: { 200: tableContent(valueCount, topMeta), ...problems },
})

export function addExploreRoutes(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openapi(names, async (c) => {
    type Data = { names: Omit<EventNamesResult, 'rows'> & { names: EventNamesResult['rows'] } }
    const { data, extensions } = await runOperation<Data>(c, NAMES, c.req.valid('query'))
    const { names: rows, hasMore, complete } = data.names
    // Without a range there is no number to explain.
    const counted = extensions.metrics ? toMeta(infoOf(extensions, 'names')) : {}
    return respond(c, {
      rows: rows.map((row) => ({ ...row })),
      meta: { ...counted, has_more: hasMore, complete },
      unchanging: ['as_of'],
    })
  })

  app.openapi(properties, async (c) => {
    type Data = { properties: { properties: EventPropertiesResult['rows']; sampled: number } }
    const { data, extensions } = await runOperation<Data>(c, PROPERTIES, c.req.valid('query'))
    const { properties: rows, sampled } = data.properties
    return respond(c, {
      rows: rows.map((row) => ({ ...row })),
      meta: { ...toMeta(infoOf(extensions, 'properties')), sampled },
      unchanging: ['as_of'],
    })
  })

  app.openapi(top, async (c) => {
    type Data = { top: Pick<TopValuesResult, 'total' | 'found'> & { values: ValueCount[] } }
    const variables = { ...c.req.valid('param'), ...c.req.valid('query') }
    const { data, extensions } = await runOperation<Data>(c, TOP, variables)
    const { values, total, found } = data.top
    return respond(c, {
      rows: values.map(({ isOther, ...row }) => ({ ...row, other: isOther })),
      meta: { ...toMeta(infoOf(extensions, 'top')), total, found },
      unchanging: ['as_of'],
    })
  })
}
