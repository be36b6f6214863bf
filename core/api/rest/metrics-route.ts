import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { MetricPoint } from '../../queries/metrics/events-over-time.ts'
import type { ResultInfo } from '../../queries/query-result.ts'
import type { RestEnv } from './admit.ts'
import { respondCompared } from './comparison-routes.ts'
import { comparedPoint, comparisonMeta } from './comparison-schemas.ts'
import { problems, respond, tableContent } from './formats.ts'
import { toMeta } from './meta.ts'
import type { RunOperation } from './operation.ts'
import { metricName, metricPoint, metricsMeta, metricsQuery } from './schemas.ts'

const DOCUMENT = `query RestMetrics($tenant: ID, $name: String!, $start: DateTime!, $end: DateTime!, $interval: Interval,
  $timeZone: String, $aggregate: Aggregate, $groupBy: [String!], $filter: [DimensionFilter!]) {
  metrics(tenant: $tenant, name: $name, startTime: $start, endTime: $end, interval: $interval, timeZone: $timeZone,
    aggregate: $aggregate, groupBy: $groupBy, filter: $filter) {
    timestamp value dimensions isFinal lateCount revisedAt
  }
}`

const route = createRoute({
  method: 'get',
  path: '/v1/metrics/{name}',
  summary: 'A number over time',
  description:
    'Counts, sums and other aggregates of a declared metric, of the events of a name, or of all names ("*"), for start ≤ occurred_at < end. Buckets without events are left out.',
  request: { params: metricName, query: metricsQuery },
  responses: {
    200: tableContent(
      z.union([metricPoint, comparedPoint]),
      z.union([metricsMeta, comparisonMeta]),
    ),
    ...problems,
  },
})

export function addMetricsRoute(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openapi(route, async (c) => {
    const { name } = c.req.valid('param')
    const query = c.req.valid('query')
    const variables = {
      tenant: query.tenant,
      name,
      start: query.start,
      end: query.end,
      interval: query.interval?.toUpperCase(),
      timeZone: query.time_zone ?? 'UTC',
      aggregate: query.aggregate?.toUpperCase() ?? 'COUNT',
      groupBy: query.group_by,
      filter: query.filter,
    }
    if (query.compare !== undefined)
      return respondCompared(c, runOperation, variables, query.compare)
    const { data, extensions } = await runOperation<{ metrics: MetricPoint[] }>(
      c,
      DOCUMENT,
      variables,
    )
    const { metrics: info } = extensions.metrics as { metrics: ResultInfo }
    return respond(c, {
      rows: data.metrics.map(toRestPoint),
      meta: toMeta(info),
      dimensions: query.group_by ?? [],
      // The same numbers read again are no change.
      unchanging: ['as_of'],
    })
  })
}

function toRestPoint(point: MetricPoint) {
  const { timestamp, value, dimensions, isFinal, lateCount, revisedAt } = point
  return {
    timestamp,
    value,
    dimensions,
    final: isFinal,
    late_count: lateCount,
    revised: revisedAt,
  }
}
