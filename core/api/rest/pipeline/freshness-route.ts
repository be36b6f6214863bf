import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { RestEnv } from '../admit.ts'
import { problems, respond } from '../formats.ts'
import type { RunOperation } from '../operation.ts'

const DOCUMENT = `query RestFreshness {
  freshness {
    state failingComponent sentSecondsAgo
    hour { canaries p50 p95 p99 }
    day { canaries p50 p95 p99 }
    objective { targetSeconds percent canaries inTime errorBudgetLeft }
    edges { edge failingComponent }
  }
}`

interface Window {
  canaries: number
  p50: number | null
  p95: number | null
  p99: number | null
}

interface FreshnessData {
  freshness: {
    state: 'OK' | 'FAILING' | 'STALE' | 'OFF'
    failingComponent: string | null
    sentSecondsAgo: number | null
    hour: Window
    day: Window
    objective: {
      targetSeconds: number
      percent: number
      canaries: number
      inTime: number
      errorBudgetLeft: number | null
    } | null
    edges: { edge: string; failingComponent: string | null }[]
  }
}

const seconds = z.number().nullable()
const window = z
  .object({ canaries: z.number().int(), p50: seconds, p95: seconds, p99: seconds })
  .openapi({ description: 'Seconds from sending an event until a query finds it.' })
const component = z.enum(['EDGE', 'GATEWAY', 'LOG', 'WORKER', 'POSTGRES', 'REDIS']).nullable()

const freshness = z
  .object({
    state: z.enum(['OK', 'FAILING', 'STALE', 'OFF']),
    failing_component: component,
    sent_seconds_ago: seconds,
    hour: window,
    day: window,
    objective: z
      .object({
        target_seconds: z.number(),
        percent: z.number(),
        canaries: z.number().int(),
        in_time: z.number().int(),
        error_budget_left: z.number().nullable(),
      })
      .nullable(),
    edges: z
      .array(z.object({ edge: z.string(), failing_component: component }))
      .openapi({ description: 'Empty except for the operator.' }),
  })
  .openapi('Freshness')

const route = createRoute({
  method: 'get',
  path: '/v1/pipeline/freshness',
  tags: ['Queries'],
  summary: 'How long an event takes until it can be queried',
  description: 'As measured by canaries; where they stop, the component is named.',
  request: { query: z.strictObject({}) },
  responses: {
    200: {
      description: 'The freshness.',
      content: { 'application/json': { schema: z.object({ data: freshness }) } },
    },
    ...problems,
  },
})

export function addFreshnessRoute(app: OpenAPIHono<RestEnv>, runOperation: RunOperation): void {
  app.openapi(route, async (c) => {
    const { data } = await runOperation<FreshnessData>(c, DOCUMENT, {})
    const { state, failingComponent, sentSecondsAgo, hour, day, objective, edges } = data.freshness
    return respond(c, {
      row: {
        state,
        failing_component: failingComponent,
        sent_seconds_ago: sentSecondsAgo,
        hour,
        day,
        objective: objective && {
          target_seconds: objective.targetSeconds,
          percent: objective.percent,
          canaries: objective.canaries,
          in_time: objective.inTime,
          error_budget_left: objective.errorBudgetLeft,
        },
        edges: edges.map((each) => ({
          edge: each.edge,
          failing_component: each.failingComponent,
        })),
      },
    })
  })
}
