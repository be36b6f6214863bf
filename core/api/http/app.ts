import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import type { Database } from '../../db/database.ts'
import type { GatewayUser } from '../../gateway/users.ts'
import { createProvider, type ProviderOptions } from '../../identity/oidc/provider.ts'
import { DEFAULT_SIGN_IN, type SignInSettings } from '../../identity/sign-in/sign-in-settings.ts'
import type { Logger } from '../../lib/logger.ts'
import type { SecurityLog } from '../../lib/security-log.ts'
import type { Log } from '../../log/log.ts'
import type { GraphQLServer } from '../graphql/server.ts'
import { createMcpApp } from '../mcp/app.ts'
import { createQueryBudget } from '../operations/result-budget.ts'
import { createRestApp } from '../rest/app.ts'
import type { AddressOf } from './client.ts'
import { cspReport } from './csp-report.ts'
import { dashboard } from './dashboard.ts'
import { graphqlRoute } from './graphql-route.ts'
import { createHealthCheck, createPipelineState, health } from './health.ts'
import { keyDirectory } from './key-directory.ts'
import type { Metrics } from './metrics.ts'
import { metricsAccess } from './metrics-access.ts'
import { allowOnly, handleError, sendProblem } from './problem.ts'
import { browserHeaders, commonHeaders, knownHosts } from './security.ts'
import type { SharedAttempts } from './shared-attempts.ts'
import { signIn } from './sign-in.ts'

export interface CoreDeps {
  /** For sign-in and health. GraphQL has its own: a slow query there keeps nobody waiting. */
  db: Database
  /** For the key directory alone: nothing that others send keeps an edge waiting for a key. `db` unless given. */
  keysDb?: Database
  log: Log
  metrics: Metrics
  /** The Bearer token of /metrics; without it only this machine may read them. */
  metricsToken?: string | undefined
  logger: Pick<Logger, 'error'> & Partial<Pick<Logger, 'warn'>>
  securityLog?: SecurityLog
  /** Which proxies are believed; none unless given. */
  addressOf?: AddressOf
  /** The role api. */
  api?: {
    graphql: GraphQLServer
    /** The built dashboard. */
    dashboardFolder: string
    /** Whether browsers use HTTPS, here or at `publicUrl`. */
    secure?: boolean
    /** The URL that browsers use, where it is not a loopback name. */
    publicUrl?: string
    /** Where events are sent, if known. Called each time, because the edge may start later. */
    edgeUrl?: () => string | undefined
    /** Sign-ins counted by all cores together. */
    sharedAttempts?: SharedAttempts | undefined
    /** How people sign in; by link alone unless given. */
    signIn?: SignInSettings | undefined
    /** How providers are reached, and how often. */
    providerOptions?: ProviderOptions | undefined
  }
  /** The role gateway: its app serves /produce, and the key directory is next to it. */
  gateway?: { app: Hono; users: readonly GatewayUser[] }
  /** Redis for the edges, if configured. */
  redis?: Hono
}

/** Everything that core serves over HTTP, on one port. */
export function createCoreApp(deps: CoreDeps): Hono {
  const { db, api, gateway, metrics, logger, securityLog, addressOf } = deps
  const secure = api?.secure ?? api?.publicUrl?.startsWith('https:') ?? false
  const app = new Hono()
  app.onError(handleError(logger))
  app.notFound((c) => sendProblem(c, 'NOT_FOUND'))
  app.use(commonHeaders(secure))

  if (gateway) {
    // For machines only, each request with its secret, so none of what protects browsers.
    app.route('/gateway', gateway.app)
    app.route('/gateway', keyDirectory({ db: deps.keysDb ?? db, users: gateway.users }))
  }

  if (deps.redis) app.route('/redis', deps.redis)

  app.use(requestId({ limitLength: 128 }))
  const checkHealth = createHealthCheck(deps)
  app.route('/', health(checkHealth, createPipelineState(db)))
  app.get('/metrics', metricsAccess(deps.metricsToken, api?.publicUrl), async (c) =>
    c.body(await metrics.text(), 200, { 'Content-Type': metrics.contentType }),
  )
  app.all('/metrics', allowOnly('GET, HEAD'))
  app.all('/gateway/*', (c) => sendProblem(c, 'NOT_FOUND'))
  if (!api) return app

  app.use(knownHosts(api.publicUrl))
  app.use(browserHeaders(api.edgeUrl))
  app.route('/', graphqlRoute({ graphql: api.graphql, secure, addressOf }))
  const { graphql, publicUrl, sharedAttempts } = api
  const budget = createQueryBudget()
  app.route('/', createRestApp({ graphql, budget, checkHealth, secure, addressOf }))
  app.route('/', createMcpApp({ graphql, budget, secure, publicUrl, addressOf, logger }))
  const settings = api.signIn ?? DEFAULT_SIGN_IN
  const providers = new Map(
    settings.providers.map((each) => [each.id, createProvider(each, api.providerOptions)]),
  )
  const signInDeps = { db, secure, publicUrl, addressOf, securityLog, sharedAttempts, logger }
  app.route('/', signIn({ ...signInDeps, settings, providers }))
  app.route('/', cspReport(logger, addressOf))
  app.use(dashboard(api.dashboardFolder))
  return app
}
