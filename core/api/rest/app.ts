import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { ApiError } from '../../lib/api-error.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import type { GraphQLServer } from '../graphql/server.ts'
import type { AddressOf } from '../http/client.ts'
import type { HealthCheck } from '../http/health.ts'
import { allowOnly, sendProblem } from '../http/problem.ts'
import { createQueryBudget, type ResultBudget } from '../operations/result-budget.ts'
import { createRunOperation } from '../operations/run-operation.ts'
import { admitSender, type RestEnv } from './admit.ts'
import { addBehaviourRoutes } from './behaviour-routes.ts'
import { addChangesRoute } from './changes/changes-route.ts'
import { addComparisonRoutes } from './comparison-routes.ts'
import {
  addCompatibilityHealth,
  addCompatibilityRoutes,
  HEALTH_PATHS,
  legacyMembers,
} from './compatibility/routes.ts'
import { addDefinitionRoutes } from './definitions-route.ts'
import { docsPage } from './docs-page.ts'
import { addSchemaRoutes } from './event-schemas/schema-routes.ts'
import { addEventRoutes } from './events-route.ts'
import { addExploreRoutes } from './explore-routes.ts'
import { addAuditRoute } from './identity/audit-route.ts'
import { addInvitationRoutes } from './identity/invitation-routes.ts'
import { addKeyRoutes } from './identity/key-routes.ts'
import { addMemberRoutes } from './identity/member-routes.ts'
import { allowedMethods, ROUTE_PERMISSIONS } from './identity/route-permissions.ts'
import { addSessionRoutes } from './identity/session-routes.ts'
import { addMetricsRoute } from './metrics-route.ts'
import { ofRequest } from './operation.ts'
import { createPageLimit } from './page-limit.ts'
import { addFreshnessRoute } from './pipeline/freshness-route.ts'
import { addPipelineRoutes } from './pipeline-route.ts'
import { addReceiptRoutes } from './receipts/receipt-routes.ts'
import { createRowStreams } from './row-stream.ts'

export interface RestDeps {
  graphql: Pick<GraphQLServer, 'admit' | 'execute'>
  /** Of all interfaces that format results. */
  budget?: ResultBudget
  checkHealth: HealthCheck
  secure: boolean
  addressOf?: AddressOf | undefined
  /** Date.now unless given. */
  now?: () => number
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
  requestId: 'request_id',
  idempotencyKey: 'idempotency_key',
  fromAsOf: 'from_as_of',
  toAsOf: 'to_as_of',
  first: 'limit',
  last: 'limit',
}

/** REST under /v1, for scripts: what GraphQL answers, by URL, as JSON, CSV or NDJSON. /v1/openapi.json describes it. */
export function createRestApp(deps: RestDeps): OpenAPIHono<RestEnv> {
  const {
    graphql,
    budget = createQueryBudget(),
    checkHealth,
    secure,
    addressOf,
    now = Date.now,
  } = deps
  const runOperation = ofRequest(createRunOperation(graphql, budget))
  const acquirePages = createPageLimit({
    responsesMax: QUERY_LIMITS.restStreamsMax,
    responsesPerClientMax: QUERY_LIMITS.restStreamsPerClientMax,
  })
  const respondWithStream = createRowStreams({
    budget,
    acquire: acquirePages,
    streamMsMax: QUERY_LIMITS.restStreamMsMax,
  })
  const app = new OpenAPIHono<RestEnv>({
    defaultHook(result, c) {
      if (result.success) return
      const [issue] = result.error.issues
      const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
      const parameter = unknown ?? String(issue?.path[0] ?? '')
      const reason = unknown ? 'is not a parameter of this path' : reasonOf(issue)
      const detail = `${parameter} ${reason}`
      const members = { parameter, ...legacyMembers(c, detail) }
      return sendProblem(c, 'BAD_USER_INPUT', {}, detail, members)
    },
  })
  app.onError((error, c) => {
    if (!(error instanceof ApiError)) throw error
    return sendApiError(c, error)
  })
  addCompatibilityHealth(app, checkHealth)
  for (const [path, permissions] of Object.entries(ROUTE_PERMISSIONS)) {
    const { GET } = permissions
    for (const [method, permission] of Object.entries({
      ...(GET && { HEAD: GET }),
      ...permissions,
    }))
      app.on(method, path, admitSender({ graphql, budget, secure, addressOf, permission }))
  }
  addMetricsRoute(app, runOperation)
  addChangesRoute(app, runOperation)
  addComparisonRoutes(app, runOperation)
  addExploreRoutes(app, runOperation)
  addBehaviourRoutes(app, runOperation)
  addDefinitionRoutes(app, runOperation)
  addSchemaRoutes(app, runOperation)
  addEventRoutes(app, { runOperation, respondWithStream })
  addReceiptRoutes(app, runOperation)
  addKeyRoutes(app, runOperation)
  addMemberRoutes(app, runOperation)
  addInvitationRoutes(app, runOperation)
  addSessionRoutes(app, runOperation)
  addAuditRoute(app, { runOperation, respondWithStream })
  addPipelineRoutes(app, runOperation)
  addFreshnessRoute(app, runOperation)
  addCompatibilityRoutes(app, { runOperation, checkHealth, now, budget, acquirePages })
  const config = {
    openapi: '3.1.0',
    info: {
      title: 'Sluice: queries',
      version: '1',
      description:
        'Numbers and single events. Send an API key with the scope read as Bearer token; from here, with Authorize. It is forgotten when the page is closed.',
    },
    security: [{ bearer: [] }],
    tags: TAGS,
  }
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
  })
  app.route('/', docsPage())
  let description: object | undefined
  app.get('/v1/openapi.json', (c) => {
    description ??= app.getOpenAPI31Document(config)
    return c.json(description)
  })
  for (const [path, permissions] of Object.entries(ROUTE_PERMISSIONS))
    app.all(path, allowOnly(allowedMethods(permissions)))
  for (const path of HEALTH_PATHS) app.all(path, allowOnly('GET, HEAD'))
  return app
}

/** Groups of paths. */
const TAGS = [
  { name: 'Queries' },
  { name: 'People' },
  { name: 'API keys' },
  { name: 'Audit log' },
  ...['EventPulse', 'Pulse', 'Analytics-Pipeline'].map((name) => ({
    name,
    description: `The read API of ${name}, for its clients.`,
  })),
]

function reasonOf(issue: { message: string } | undefined): string {
  if (issue?.message.endsWith('received undefined')) return 'is missing'
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
  if (code === 'TOO_MANY_ATTEMPTS' || code === 'OVERLOADED')
    headers['Retry-After'] = String(details.retryAfterSeconds ?? 1)
  return sendProblem(c, code, headers, detail, {
    ...members,
    ...(parameter && { parameter }),
    ...legacyMembers(c, detail),
  })
}
