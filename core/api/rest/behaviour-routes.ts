import { createRoute, type OpenAPIHono } from '@hono/zod-openapi'
import { badInput } from '../../lib/api-error.ts'
import type { FunnelResult, FunnelStep } from '../../queries/behaviour/funnel.ts'
import type { RetentionCohort } from '../../queries/behaviour/retention.ts'
import { infoOf } from '../operations/run-operation.ts'
import type { RestEnv } from './admit.ts'
import {
  funnelMeta,
  funnelQuery,
  funnelStep,
  retentionCohort,
  retentionQuery,
} from './behaviour-schemas.ts'
import { problems, respond, tableContent } from './formats.ts'
import { toMeta } from './meta.ts'
import type { RunOperation } from './operation.ts'
import { metricsMeta } from './schemas.ts'

const FUNNEL = `query RestFunnel($tenant: ID, $steps: [EventSelection!]!, $start: DateTime!, $end: DateTime!, $window: Int) {
  funnel(tenant: $tenant, steps: $steps, startTime: $start, endTime: $end, windowSeconds: $window) {
    steps { name actors conversion overall medianSeconds } withoutActor
  }
}`

const RETENTION = `query RestRetention($tenant: ID, $first: EventSelection!, $returning: EventSelection, $start: DateTime!,
  $end: DateTime!, $interval: RetentionInterval, $timeZone: String) {
  retention(tenant: $tenant, first: $first, returning: $returning, startTime: $start, endTime: $end, interval: $interval,
    timeZone: $timeZone) {
    cohorts { timestamp date actors returned }
  }
}`

const funnel = createRoute({
  method: 'get',
  path: '/v1/funnel',
  tags: ['Queries'],
  summary: 'Ordered steps of actors',
  description:
    'How many actors take the steps in their order: the first in the range, each later than the one before, the last within the window of the first.',
  request: { query: funnelQuery },
  responses: { 200: tableContent(funnelStep, funnelMeta), ...problems },
})

const retention = createRoute({
  method: 'get',
  path: '/v1/retention',
  tags: ['Queries'],
  summary: 'Who came back',
  description:
    'Actors by the day or week of their first event in the range, and in which later ones they returned.',
  request: { query: retentionQuery },
  responses: { 200: tableContent(retentionCohort, metricsMeta), ...problems },
})

export function addBehaviourRoutes(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openapi(funnel, async (c) => {
    type Data = { funnel: Pick<FunnelResult, 'withoutActor'> & { steps: FunnelStep[] } }
    const { tenant, step, start, end, window_seconds: window, ...filters } = c.req.valid('query')
    const steps = (step ?? []).map((name, i) => ({
      name,
      filter: (filters as Record<string, object | undefined>)[`filter_${i + 1}`],
    }))
    for (const name of Object.keys(filters))
      if (Number(name.slice('filter_'.length)) > steps.length)
        throw badInput(name, 'is for a step that is not there')
    const variables = { tenant, steps, start, end, window }
    const { data, extensions } = await runOperation<Data>(c, FUNNEL, variables)
    return respond(c, {
      rows: data.funnel.steps.map(({ medianSeconds, ...row }) => ({
        ...row,
        median_seconds: medianSeconds,
      })),
      meta: {
        ...toMeta(infoOf(extensions, 'funnel')),
        without_actor: data.funnel.withoutActor,
      },
      unchanging: ['as_of'],
    })
  })

  app.openapi(retention, async (c) => {
    type Data = { retention: { cohorts: RetentionCohort[] } }
    const query = c.req.valid('query')
    const { first, returning, first_filter, returning_filter } = query
    if (returning === undefined && returning_filter)
      throw badInput('returning', 'is missing; returning_filter is for its events')
    const { data, extensions } = await runOperation<Data>(c, RETENTION, {
      tenant: query.tenant,
      first: { name: first, filter: first_filter },
      returning:
        returning === undefined ? undefined : { name: returning, filter: returning_filter },
      start: query.start,
      end: query.end,
      interval: query.interval?.toUpperCase() ?? 'DAY',
      timeZone: query.time_zone ?? 'UTC',
    })
    return respond(c, {
      rows: data.retention.cohorts.map((cohort) => ({ ...cohort })),
      meta: toMeta(infoOf(extensions, 'retention')),
      unchanging: ['as_of'],
    })
  })
}
