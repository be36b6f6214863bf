import type { Logger } from 'pino'
import type { ServedEdge } from '../edge/node/serve-edge.ts'
import type { Onboarding } from './api/graphql/context.ts'
import { createGraphQL } from './api/graphql/server.ts'
import { createGraphQLSockets } from './api/graphql-ws/sockets.ts'
import { type CoreDeps, createCoreApp } from './api/http/app.ts'
import { type AddressOf, clientOf } from './api/http/client.ts'
import { createMetrics, METRICS_MS_MAX } from './api/http/metrics.ts'
import { type Served, serveApp } from './api/http/serve.ts'
import { createSharedAttempts } from './api/http/shared-attempts.ts'
import { SIGN_INS_PER_MINUTE } from './api/http/sign-in/guard.ts'
import { createLiveHub, type LiveHub } from './api/live/hub.ts'
import { createInvalidation } from './api/result-cache/invalidation.ts'
import { createMemoryStore } from './api/result-cache/memory-store.ts'
import { createRedisStore } from './api/result-cache/redis-store.ts'
import { createResultCache, type ResultCache } from './api/result-cache/result-cache.ts'
import { startAuditExpiry, startSecurityLog, startWebhook } from './audit-roles.ts'
import { startCanaries } from './canary-role.ts'
import { serveCollector } from './collector-role.ts'
import type { Config } from './config.ts'
import { connect, connectRedis } from './connections.ts'
import type { Database } from './db/database.ts'
import type { RedisConnection } from './db/redis-connection.ts'
import { type DatabaseRoles, findDatabaseRoles } from './db/roles.ts'
import { createKafkaRest } from './gateway/kafka-rest.ts'
import type { GatewayUser } from './gateway/users.ts'
import { createKeyPublisher } from './identity/key-publisher.ts'
import { applyOperators } from './identity/sign-in/operators.ts'
import type { SecurityLog } from './lib/security-log.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { Log } from './log/log.ts'
import { openLog } from './log/open.ts'
import { runProof } from './proof-roles.ts'
import { QUERY_LIMITS } from './queries/limits.ts'
import { createRedisBridge } from './redis-bridge-role.ts'
import { createWorker } from './worker/worker.ts'

export type Role = 'api' | 'gateway' | 'worker' | 'collector'
/** What runs unless roles are named: the collector takes the place of an edge, so only who names it gets it. */
export const DEFAULT_ROLES: readonly Role[] = ['api', 'gateway', 'worker']
export const ROLES: readonly Role[] = [...DEFAULT_ROLES, 'collector']

export interface RolesOptions {
  roles: readonly Role[]
  databaseUrl: string
  log: Config['log']
  /** All who may use the gateway. */
  gatewayUsers: readonly GatewayUser[]
  /** PEM; without it, HTTP. */
  tls?: Config['tls']
  /** Without it, caches are in each process's memory. */
  redisUrl?: string
  /** The same Redis as a user with fewer rights, for requests of edges; without it there is no /redis. */
  redisBridgeUrl?: string
  /** What edges send to /redis, which is closed without it. */
  redisToken?: string
  host: string
  port: number
  /** Required by the role collector. */
  collector?: Config['collector']
  /** How browsers reach core; by a loopback name unless set. */
  publicUrl?: string
  /** Where events are sent, for the dashboard; that of `onboarding` unless given. */
  edgeUrl?: string | undefined
  /** Proxies that are believed about the client's address; none unless given. */
  trustedProxies?: Config['trustedProxies']
  signIn: Config['signIn']
  /** The Bearer token of /metrics. */
  metricsToken?: string
  dashboardFolder: string
  retentionDays: Config['retentionDays']
  workerConcurrency?: Config['workerConcurrency']
  /** Entries are kept, and sent nowhere, unless given. */
  audit?: Config['audit']
  /** The role api sends them; none are sent unless given. */
  canaries?: Config['canaries']
  /** Nothing is verified by itself unless given. */
  verification?: Config['verification']
  logger: Logger
  lifecycle: Lifecycle
  onboarding?: () => Onboarding | undefined
  /** Called when records are missing from the log: their partition is paused until an operator decides. */
  onOffsetGap?: (gap: Error) => void
  /** Called when the worker ended and nobody stopped it. */
  onWorkerEnd?: (error: unknown) => void
}

export interface RunningRoles {
  db: Database
  log: Log
  /** undefined with neither api nor gateway */
  served: Served | undefined
  /** undefined without the role collector */
  collector: ServedEdge | undefined
}

type OptionsWithRoles = RolesOptions & { databaseRoles: DatabaseRoles }

/** Starts these roles on one Postgres and one log; each part registers with the lifecycle how it is stopped. */
export async function startRoles(startOptions: RolesOptions): Promise<RunningRoles> {
  const { roles, databaseUrl, logger, lifecycle } = startOptions
  const options: OptionsWithRoles = {
    ...startOptions,
    databaseRoles: await findDatabaseRoles(databaseUrl, (hint) =>
      logger.warn({ hint }, 'no database roles with fewer rights, core uses that of DATABASE_URL'),
    ),
  }
  const db = connect(options, 'database', { max: 3 })
  const log = await openLog(options.log, databaseUrl, (error) =>
    logger.warn({ error: String(error) }, 'event log: a request failed, retrying'),
  )
  lifecycle.onStop('log', () => log.close())
  if (roles.includes('worker')) startWorker(options, log)
  const served =
    roles.includes('api') || roles.includes('gateway') ? await serve(options, db, log) : undefined
  const collector = roles.includes('collector') ? await serveCollector(options, log) : undefined
  return { db, log, served, collector }
}

function startWorker(options: OptionsWithRoles, log: Log): void {
  startAuditExpiry(options)
  const { databaseUrl, retentionDays, workerConcurrency: concurrency, logger, lifecycle } = options
  const { onOffsetGap: onGap, onWorkerEnd } = options
  const stop = new AbortController()
  const worker = createWorker({
    databaseUrl,
    databaseRole: options.databaseRoles.write,
    log,
    logger,
    retentionDays,
    concurrency,
    onGap,
  })
  const running = worker.run(stop.signal)
  running.catch((error) => onWorkerEnd?.(error))
  const proof = runProof(options, log, stop.signal)
  lifecycle.onStop('worker', async () => {
    stop.abort()
    // Its failure was reported by onWorkerEnd.
    await running.catch(() => {})
    await proof
  })
}

async function serve(options: OptionsWithRoles, db: Database, log: Log): Promise<Served> {
  const { roles, databaseUrl, logger, lifecycle } = options
  const securityLog = startSecurityLog(options, db)
  // Pools of their own: however many queries or unknown credentials wait, an edge that looks up a key does not.
  const keysDb = connect(options, 'key directory', { max: 2, statementMs: 2_000, connectMs: 2_000 })
  const queries = connect(options, 'query connections', {
    reads: true,
    max: QUERY_LIMITS.connectionsMax,
  })
  // And live updates do not wait for queries.
  const watching = connect(options, 'live query connections', { max: 3, reads: true })
  const live = createLiveHub({ db: watching, databaseUrl, log, logger })
  lifecycle.onStop('live updates', () => live.close())
  const gateway = roles.includes('gateway') ? createGateway(options, log, securityLog) : undefined
  const redis = await connectRedis(options, options.redisUrl)
  if (roles.includes('api')) {
    await applyOperators(db, options.signIn?.operators ?? [])
    startWebhook(options, connect(options, 'audit webhook', { max: 1 }))
    startCanaries(options, log, redis)
  }
  if (redis && gateway) {
    const publisher = createKeyPublisher({ db, databaseUrl, redis, logger })
    lifecycle.onStop('key publisher', () => publisher.close())
  }
  const api = roles.includes('api')
    ? createApi(options, {
        ...{ db: queries, identityDb: db, log, live, redis, securityLog },
        // One activation at a time holds one; a definition that is active already takes the other.
        metricsDb: connect(options, 'metric definitions', { max: 2 }),
        peopleDb: connect(options, 'people', { max: QUERY_LIMITS.peopleConnectionsMax }),
      })
    : undefined
  const app = createCoreApp({
    db,
    keysDb,
    log,
    logger,
    securityLog,
    addressOf: addressOf(options),
    metricsToken: options.metricsToken,
    metrics: createMetricsOf(options, { log, live, redis }),
    ...(api && { api }),
    ...(gateway && { gateway: { app: gateway.app, users: options.gatewayUsers } }),
    redis: gateway && (await createRedisBridge(options, redis)),
  })
  const served = await serveApp(app, {
    port: options.port,
    hostname: options.host,
    tls: options.tls,
    sockets: api && createGraphQLSockets({ ...api, live, addressOf: addressOf(options) }),
  })
  // In reverse order: the gateway acknowledges what is under way, then HTTP closes.
  lifecycle.onStop('HTTP', () => served.close(1_000))
  if (gateway) lifecycle.onStop('gateway', () => gateway.close())
  return served
}

interface ApiParts {
  db: Database
  identityDb: Database
  metricsDb: Database
  peopleDb: Database
  securityLog: SecurityLog
  log: Log
  live: LiveHub
  redis: RedisConnection | undefined
}

function createApi(
  options: OptionsWithRoles,
  { redis, ...parts }: ApiParts,
): NonNullable<CoreDeps['api']> {
  const { onboarding, logger, publicUrl, tls, dashboardFolder } = options
  const edgeUrl = () => options.edgeUrl ?? onboarding?.()?.edgeUrl
  const resultCache = openResultCache(options, parts.db, redis)
  return {
    graphql: createGraphQL({ ...parts, onboarding, edgeUrl, logger, resultCache }),
    dashboardFolder,
    publicUrl,
    edgeUrl,
    sharedAttempts:
      redis &&
      createSharedAttempts(redis, SIGN_INS_PER_MINUTE, (error) =>
        logger.warn({ error: String(error) }, 'sign-ins are counted by this core alone'),
      ),
    signIn: options.signIn,
    secure: tls !== undefined || publicUrl?.startsWith('https:') === true,
  }
}

/** Its results are in Redis if there is one, else in this process. */
function openResultCache(
  { databaseUrl, logger, lifecycle }: RolesOptions,
  db: Database,
  redis: RedisConnection | undefined,
): ResultCache {
  const invalidation = createInvalidation({ databaseUrl, logger })
  lifecycle.onStop('result cache', () => invalidation.close())
  const store = redis ? createRedisStore(redis) : createMemoryStore()
  return createResultCache({ db, store, invalidation })
}

function createMetricsOf(
  options: OptionsWithRoles,
  { log, live, redis }: Pick<ApiParts, 'log' | 'live' | 'redis'>,
): CoreDeps['metrics'] {
  const db = connect(options, 'metrics', {
    reads: true,
    max: 2,
    statementMs: METRICS_MS_MAX - 500,
    connectMs: METRICS_MS_MAX - 500,
  })
  return createMetrics({
    db,
    log,
    subscribers: () => live.size,
    ...(redis && { redis: () => redis.up }),
  })
}

/** Consumer groups have connections of their own: however many consumers wait, nothing else does. */
function createGateway(options: OptionsWithRoles, log: Log, securityLog: SecurityLog) {
  const { gatewayUsers: users, logger } = options
  return createKafkaRest({
    log,
    users,
    securityLog,
    addressOf: (c) => clientOf(c, addressOf(options)).address,
    db: connect(options, 'consumer groups', { max: 2, statementMs: 2_000, connectMs: 2_000 }),
    onError: (error) =>
      logger.warn({ error: String(error) }, 'gateway request failed or moved an offset'),
  })
}

/** Believes the declared proxies about a client's address. */
function addressOf({ trustedProxies }: RolesOptions): AddressOf {
  return (peer, headers) => trustedProxies?.clientAddress(peer, headers) ?? peer
}
