import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import { CHANGE_CAUSES } from '../../../queries/changes/change-causes.ts'
import type { ChangedPoint, ChangeExplanation } from '../../../queries/changes/explain-change.ts'
import type { CauseOfChange } from '../../../queries/changes/ledger.ts'
import { infoOf } from '../../operations/run-operation.ts'
import type { RestEnv } from '../admit.ts'
import { problems, respond, tableContent } from '../formats.ts'
import { toMeta } from '../meta.ts'
import type { RunOperation } from '../operation.ts'
import { metricName, metricsMeta, metricsQuery, time } from '../schemas.ts'

const DOCUMENT = `query RestChanges($tenant: ID, $name: String!, $start: DateTime!, $end: DateTime!, $fromAsOf: DateTime!,
  $toAsOf: DateTime, $interval: Interval, $timeZone: String, $aggregate: Aggregate, $groupBy: [String!], $filter: [DimensionFilter!]) {
  explainChange(tenant: $tenant, name: $name, startTime: $start, endTime: $end, fromAsOf: $fromAsOf, toAsOf: $toAsOf,
    interval: $interval, timeZone: $timeZone, aggregate: $aggregate, groupBy: $groupBy, filter: $filter) {
    points { timestamp dimensions before after difference causes { cause events amount } }
    fromAsOf toAsOf before after difference causes { cause events amount } isComplete fromVersion toVersion inFlight
  }
}`

const query = metricsQuery.omit({ compare: true, exactness: true, aggregate: true }).extend({
  aggregate: z.enum(['count', 'sum']).optional(),
  from_as_of: time('When the earlier result was read: meta.as_of of it.', '2026-11-30T00:00:00Z'),
  to_as_of: time('The same of the later result; now unless given.').optional(),
})

const cause = z
  .object({
    cause: z.enum(CHANGE_CAUSES.map((name) => name.toLowerCase()) as [string, ...string[]]),
    events: z
      .number()
      .nullable()
      .openapi({ description: 'Events counted more; below 0 fewer. Null: not known.' }),
    amount: z
      .number()
      .nullable()
      .openapi({ description: 'What they add to the value. Null: not known.' }),
  })
  .openapi('CauseOfChange')

const changedPoint = z
  .object({
    timestamp: z.string().openapi({ format: 'date-time' }),
    dimensions: z.record(z.string(), z.string().nullable()),
    before: z.number(),
    after: z.number(),
    difference: z.number(),
    causes: z.array(cause),
  })
  .openapi('ChangedPoint')

const changesMeta = metricsMeta
  .extend({
    from_as_of: z.string(),
    to_as_of: z.string(),
    before: z.number().openapi({ description: 'Of all points, changed or not.' }),
    after: z.number(),
    difference: z.number(),
    causes: z.array(cause).openapi({ description: 'They add up to the difference.' }),
    complete: z.boolean().openapi({
      description:
        'False where single events were dropped of which nothing knows whether the earlier result counted them.',
    }),
    from_version: z.number().int().nullable(),
    to_version: z.number().int().nullable(),
    in_flight: z.number().openapi({
      description:
        'Of the events in before: at most so many were still being written when that result was read.',
    }),
  })
  .openapi('ChangesMeta')

const route = createRoute({
  method: 'get',
  path: '/v1/metrics/{name}/changes',
  tags: ['Queries'],
  summary: 'Why a number changed',
  description:
    'Which points of the same query differ from an earlier result, and why: events that arrived in time or late, imports, replays, another definition, what was dropped. Rows are the points that changed.',
  request: { params: metricName, query },
  responses: { 200: tableContent(changedPoint, changesMeta), ...problems },
})

export function addChangesRoute(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openapi(route, async (c) => {
    type Data = { explainChange: ChangeExplanation & { points: ChangedPoint[] } }
    const query = c.req.valid('query')
    const { data, extensions } = await runOperation<Data>(c, DOCUMENT, {
      ...c.req.valid('param'),
      tenant: query.tenant,
      start: query.start,
      end: query.end,
      fromAsOf: query.from_as_of,
      toAsOf: query.to_as_of,
      interval: query.interval?.toUpperCase(),
      timeZone: query.time_zone ?? 'UTC',
      aggregate: query.aggregate?.toUpperCase() ?? 'COUNT',
      groupBy: query.group_by,
      filter: query.filter,
    })
    const { points, before, after, difference, causes, ...rest } = data.explainChange
    return respond(c, {
      rows: points.map((point) => ({ ...point, causes: point.causes.map(toRestCause) })),
      meta: {
        ...toMeta(infoOf(extensions, 'explainChange')),
        from_as_of: rest.fromAsOf,
        to_as_of: rest.toAsOf,
        before,
        after,
        difference,
        causes: causes.map(toRestCause),
        complete: rest.isComplete,
        from_version: rest.fromVersion,
        to_version: rest.toVersion,
        in_flight: rest.inFlight,
      },
      dimensions: query.group_by ?? [],
      unchanging: query.to_as_of === undefined ? ['as_of', 'to_as_of'] : ['as_of'],
    })
  })
}

function toRestCause({ cause, events, amount }: CauseOfChange) {
  return { cause: cause.toLowerCase(), events, amount }
}
