import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { ApiError } from '../../lib/api-error.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import type { GraphQLServer } from '../graphql/server.ts'
import type { AddressOf } from '../http/client.ts'
import { allowOnly, sendProblem } from '../http/problem.ts'
import { admitSender, type RestEnv } from './admit.ts'
import { addBehaviourRoutes } from './behaviour-routes.ts'
import { addComparisonRoutes } from './comparison-routes.ts'
import { addDefinitionRoutes } from './definitions-route.ts'
import { addEventRoutes } from './events-route.ts'
import { addExploreRoutes } from './explore-routes.ts'
import { addMetricsRoute } from './metrics-route.ts'
import { createRunOperation } from './operation.ts'
import { createResultBudget } from './result-budget.ts'

export interface RestDeps {
  graphql: Pick<GraphQLServer, 'admit' | 'execute'>
  secure: boolean
  addressOf?: AddressOf | undefined
}

/** Where GraphQL's arguments have other names than the parameters of REST. */
const PARAMETERS: Record<string, string> = {
  startTime: 'start',
  endTime: 'end',
  groupBy: 'group_by',
  timeZone: 'time_zone',
  previousStart: 'compare',
  previousEnd: 'compare',
  steps: 'step',
  windowSeconds: 'window_seconds',
  first: 'limit',
  last: 'limit',
}

const PATHS = [
  '/v1/metrics/*',
  '/v1/contributions/*',
  '/v1/ratio',
  '/v1/names',
  '/v1/properties',
  '/v1/top/*',
  '/v1/funnel',
  '/v1/retention',
  '/v1/events',
  '/v1/events/*',
]

/** REST under /v1, for scripts: what GraphQL answers, by URL, as JSON, CSV or NDJSON. /v1/openapi.json describes it. */
export function createRestApp({ graphql, secure, addressOf }: RestDeps): OpenAPIHono<RestEnv> {
  const budget = createResultBudget({
    charsPerSecond: QUERY_LIMITS.restCharsPerSecond,
    charsMax: QUERY_LIMITS.restCharsMax,
  })
  const runOperation = createRunOperation(graphql, budget)
  const app = new OpenAPIHono<RestEnv>({
    defaultHook(result, c) {
      if (result.success) return
      const [issue] = result.error.issues
      const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
      const parameter = unknown ?? String(issue?.path[0] ?? '')
      const reason = unknown ? 'is not a parameter of this path' : reasonOf(issue)
      return sendProblem(c, 'BAD_USER_INPUT', {}, `${parameter} ${reason}`, { parameter })
    },
  })
  app.onError((error, c) => {
    if (!(error instanceof ApiError)) throw error
    return sendApiError(c, error)
  })
  for (const path of PATHS)
    app.on(['GET', 'HEAD'], path, admitSender({ graphql, budget, secure, addressOf }))
  for (const path of ['/v1/metric-definitions', '/v1/metric-definitions/*'])
    app.on(
      ['GET', 'HEAD', 'POST', 'DELETE'],
      path,
      admitSender({ graphql, budget, secure, addressOf }),
    )
  addMetricsRoute(app, runOperation)
  addComparisonRoutes(app, runOperation)
  addExploreRoutes(app, runOperation)
  addBehaviourRoutes(app, runOperation)
  addDefinitionRoutes(app, runOperation)
  addEventRoutes(app, runOperation)
  const config = {
    openapi: '3.1.0',
    info: {
      title: 'Sluice: queries',
      version: '1',
      description:
        'Numbers and single events. Send an API key with the scope read as Bearer token.',
    },
    security: [{ key: [] }],
  }
  app.openAPIRegistry.registerComponent('securitySchemes', 'key', {
    type: 'http',
    scheme: 'bearer',
  })
  let description: object | undefined
  app.get('/v1/openapi.json', (c) => {
    description ??= app.getOpenAPI31Document(config)
    return c.json(description)
  })
  for (const path of PATHS) app.all(path, allowOnly('GET, HEAD'))
  app.all('/v1/metric-definitions', allowOnly('GET, HEAD, POST'))
  app.all('/v1/metric-definitions/*', allowOnly('GET, HEAD, DELETE'))
  return app
}

function reasonOf(issue: { code?: string; message: string; input?: unknown } | undefined): string {
  if (issue?.code === 'invalid_type' && issue.input === undefined) return 'is missing'
  return issue?.message ?? 'is invalid'
}

/** The same error as GraphQL's, with the names of REST. */
function sendApiError(c: Context, { code, message, details }: ApiError): Response {
  const { argument, ...members } = details as { argument?: string }
  const parameter = argument === undefined ? undefined : (PARAMETERS[argument] ?? argument)
  const named = parameter && message.startsWith(argument as string)
  const detail = named ? parameter + message.slice((argument as string).length) : message
  const headers: Record<string, string> = {}
  if (code === 'UNAUTHENTICATED') headers['WWW-Authenticate'] = 'Bearer'
  if (code === 'TOO_MANY_ATTEMPTS' || code === 'OVERLOADED') headers['Retry-After'] = '1'
  return sendProblem(c, code, headers, detail, { ...members, ...(parameter && { parameter }) })
}
