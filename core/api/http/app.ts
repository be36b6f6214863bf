import { Hono } from 'hono'
import { requestId } from 'hono/request-id'
import type { Database } from '../../db/database.ts'
import type { GatewayUser } from '../../gateway/users.ts'
import type { Logger } from '../../lib/logger.ts'
import type { Log } from '../../log/log.ts'
import type { GraphQLServer } from '../graphql/server.ts'
import { dashboard } from './dashboard.ts'
import { health } from './health.ts'
import { keyDirectory } from './key-directory.ts'
import type { Metrics } from './metrics.ts'
import { allowOnly, handleError, sendProblem } from './problem.ts'
import { knownHosts, securityHeaders } from './security.ts'
import { signIn } from './sign-in.ts'

export interface CoreDeps {
  /** For keys, sign-in and health. GraphQL has its own: a slow query there keeps no edge waiting for a key. */
  db: Database
  log: Log
  metrics: Metrics
  logger: Pick<Logger, 'error'>
  /** The role api. */
  api?: {
    graphql: GraphQLServer
    /** Whether /graphql may show GraphiQL, which loads scripts from elsewhere. */
    graphiql?: boolean
    /** The built dashboard. */
    dashboardFolder: string
    /** Whether browsers use HTTPS, here or at `publicUrl`. */
    secure?: boolean
    /** The URL that browsers use, where it is not a loopback name. */
    publicUrl?: string
  }
  /** The role gateway: its app serves /produce, and the key directory is next to it. */
  gateway?: { app: Hono; users: readonly GatewayUser[] }
  /** Redis for the edges, if configured. */
  redis?: Hono
}

/** Everything that core serves over HTTP, on one port. */
export function createCoreApp(deps: CoreDeps): Hono {
  const { db, api, gateway, metrics, logger } = deps
  const app = new Hono()
  app.onError(handleError(logger))
  app.notFound((c) => sendProblem(c, 'NOT_FOUND'))

  if (gateway) {
    // For machines only, each request with its secret, so none of what protects browsers.
    app.route('/gateway', gateway.app)
    app.route('/gateway', keyDirectory({ db, users: gateway.users }))
  }

  if (deps.redis) app.route('/redis', deps.redis)

  app.use(requestId({ limitLength: 128 }))
  app.route('/', health(deps))
  app.get('/metrics', async (c) =>
    c.body(await metrics.text(), 200, { 'Content-Type': metrics.contentType }),
  )
  app.all('/metrics', allowOnly('GET, HEAD'))
  app.all('/gateway/*', (c) => sendProblem(c, 'NOT_FOUND'))
  if (!api) return app

  app.use(knownHosts(api.publicUrl))
  app.use(securityHeaders((path) => !(api.graphiql && path === '/graphql')))
  app.all('/graphql', (c) => api.graphql.fetch(c.req.raw))
  app.route('/', signIn({ db, secure: api.secure ?? api.publicUrl?.startsWith('https:') ?? false }))
  app.use(dashboard(api.dashboardFolder))
  return app
}
