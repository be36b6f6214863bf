import { createRoute, type OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { readTime } from '../../../contract/event/time.ts'
import { badInput } from '../../lib/api-error.ts'
import type { Contribution, ContributionsResult } from '../../queries/explore/contributions.ts'
import type { ComparedPoint } from '../../queries/metrics/compare-metrics.ts'
import type { RatioPoint } from '../../queries/metrics/metric-ratio.ts'
import { infoOf } from '../operations/run-operation.ts'
import type { RestEnv } from './admit.ts'
import {
  contribution,
  contributionsMeta,
  contributionsQuery,
  ratioMeta,
  ratioPoint,
  ratioQuery,
} from './comparison-schemas.ts'
import { problems, respond, tableContent } from './formats.ts'
import { toMeta } from './meta.ts'
import type { RunOperation } from './operation.ts'
import { metricName } from './schemas.ts'

const COMPARE = `query RestCompare($tenant: ID, $name: String!, $start: DateTime!, $end: DateTime!, $previousStart: DateTime,
  $previousEnd: DateTime, $interval: Interval, $timeZone: String, $aggregate: Aggregate, $filter: [DimensionFilter!]) {
  compare(tenant: $tenant, name: $name, startTime: $start, endTime: $end, previousStart: $previousStart,
    previousEnd: $previousEnd, interval: $interval, timeZone: $timeZone, aggregate: $aggregate, filter: $filter) {
    points { timestamp value previousTimestamp previousValue difference isFinal } previousStart previousEnd
  }
}`

const RATIO = `query RestRatio($tenant: ID, $numerator: MetricSelection!, $denominator: MetricSelection!, $start: DateTime!,
  $end: DateTime!, $interval: Interval, $timeZone: String) {
  ratio(tenant: $tenant, numerator: $numerator, denominator: $denominator, startTime: $start, endTime: $end,
    interval: $interval, timeZone: $timeZone) {
    points { timestamp value numerator denominator isFinal } zeroDenominators
  }
}`

const CONTRIBUTIONS = `query RestContributions($tenant: ID, $name: String!, $dimension: String!, $start: DateTime!,
  $end: DateTime!, $previousStart: DateTime, $previousEnd: DateTime, $timeZone: String, $aggregate: Aggregate,
  $filter: [DimensionFilter!], $limit: Int) {
  contributions(tenant: $tenant, name: $name, dimension: $dimension, startTime: $start, endTime: $end,
    previousStart: $previousStart, previousEnd: $previousEnd, timeZone: $timeZone, aggregate: $aggregate,
    filter: $filter, limit: $limit) {
    contributions { value before after difference isOther } before after difference found previousStart previousEnd
  }
}`

const ratio = createRoute({
  method: 'get',
  path: '/v1/ratio',
  tags: ['Queries'],
  summary: 'One number divided by another',
  description: 'Bucket by bucket; null where the denominator is 0.',
  request: { query: ratioQuery },
  responses: { 200: tableContent(ratioPoint, ratioMeta), ...problems },
})

const contributions = createRoute({
  method: 'get',
  path: '/v1/contributions/{name}',
  tags: ['Queries'],
  summary: 'What explains a difference',
  description:
    'Which values of a dimension explain the difference between two ranges; the rows add up to it.',
  request: { params: metricName, query: contributionsQuery },
  responses: { 200: tableContent(contribution, contributionsMeta), ...problems },
})

export function addComparisonRoutes(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  addContributionsRoute(app, runOperation)
  app.openapi(ratio, async (c) => {
    type Data = { ratio: { points: RatioPoint[]; zeroDenominators: number } }
    const query = c.req.valid('query')
    const selectionOf = (side: 'numerator' | 'denominator') => ({
      name: query[side],
      aggregate: query[`${side}_aggregate`]?.toUpperCase(),
      filter: query[`${side}_filter`],
    })
    const { data, extensions } = await runOperation<Data>(c, RATIO, {
      tenant: query.tenant,
      numerator: selectionOf('numerator'),
      denominator: selectionOf('denominator'),
      start: query.start,
      end: query.end,
      interval: query.interval?.toUpperCase(),
      timeZone: query.time_zone ?? 'UTC',
    })
    const { points, zeroDenominators } = data.ratio
    return respond(c, {
      rows: points.map(({ isFinal, ...point }) => ({ ...point, final: isFinal })),
      meta: { ...toMeta(infoOf(extensions, 'ratio')), zero_denominators: zeroDenominators },
      unchanging: ['as_of'],
    })
  })
}

function addContributionsRoute(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openapi(contributions, async (c) => {
    type Data = {
      contributions: Omit<ContributionsResult, 'rows'> & {
        contributions: Contribution[]
        previousStart: string
        previousEnd: string
      }
    }
    const { compare = 'previous_period', aggregate, time_zone, ...query } = c.req.valid('query')
    const { data, extensions } = await runOperation<Data>(c, CONTRIBUTIONS, {
      ...c.req.valid('param'),
      ...query,
      ...rangeOf(compare),
      timeZone: time_zone ?? 'UTC',
      aggregate: aggregate?.toUpperCase() ?? 'COUNT',
    })
    const { contributions: rows, before, after, difference, found, ...rest } = data.contributions
    return respond(c, {
      rows: rows.map(({ isOther, ...row }) => ({ ...row, other: isOther })),
      meta: {
        ...toMeta(infoOf(extensions, 'contributions')),
        previous_start: rest.previousStart,
        previous_end: rest.previousEnd,
        before,
        after,
        difference,
        found,
      },
      unchanging: ['as_of'],
    })
  })
}

/** What `GET /v1/metrics/{name}` responds with `compare`. */
export async function respondCompared(
  c: Context<RestEnv>,
  runOperation: RunOperation,
  variables: Record<string, unknown> & { groupBy?: string[] | undefined },
  compare: string,
): Promise<Response> {
  type Data = { compare: { points: ComparedPoint[]; previousStart: string; previousEnd: string } }
  const { groupBy, ...rest } = variables
  if (groupBy) throw badInput('group_by', 'cannot be combined with compare; /v1/contributions can')
  const { data, extensions } = await runOperation<Data>(c, COMPARE, {
    ...rest,
    ...rangeOf(compare),
  })
  const { points, previousStart, previousEnd } = data.compare
  return respond(c, {
    rows: points.map((point) => ({
      timestamp: point.timestamp,
      value: point.value,
      previous_timestamp: point.previousTimestamp,
      previous: point.previousValue,
      difference: point.difference,
      final: point.isFinal,
    })),
    meta: {
      ...toMeta(infoOf(extensions, 'compare')),
      previous_start: previousStart,
      previous_end: previousEnd,
    },
    unchanging: ['as_of'],
  })
}

function rangeOf(compare: string) {
  if (compare === 'previous_period') return {}
  const [previousStart = '', previousEnd = '', rest] = compare.split('/')
  const valid = [previousStart, previousEnd].every((each) => readTime(each).ok)
  if (!valid || rest !== undefined)
    throw badInput('compare', 'is neither previous_period nor a range start/end of RFC 3339 times')
  return { previousStart, previousEnd }
}
