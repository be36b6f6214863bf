import { setTimeout as sleep } from 'node:timers/promises'
import pino, { type Logger } from 'pino'
import { TOPICS } from '../contract/log/topics.ts'
import type { Onboarding } from './api/graphql/context.ts'
import { createGraphQL } from './api/graphql/server.ts'
import { createCoreApp } from './api/http/app.ts'
import { createMetrics, METRICS_MS_MAX } from './api/http/metrics.ts'
import { type Served, serveApp } from './api/http/serve.ts'
import { createLiveHub } from './api/live/hub.ts'
import { createInvalidation } from './api/result-cache/invalidation.ts'
import { createMemoryStore } from './api/result-cache/memory-store.ts'
import { createRedisStore } from './api/result-cache/redis-store.ts'
import { createResultCache, type ResultCache } from './api/result-cache/result-cache.ts'
import type { Config } from './config.ts'
import { createDatabase, type Database } from './db/database.ts'
import { createRedisConnection, type RedisConnection } from './db/redis-connection.ts'
import { createKafkaRest } from './gateway/kafka-rest.ts'
import { createRedisRest } from './gateway/redis/redis-rest.ts'
import type { GatewayUser } from './gateway/users.ts'
import { createKeyPublisher } from './identity/key-publisher.ts'
import { withTimeout } from './lib/timeout.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { Log } from './log/log.ts'
import { openLog } from './log/open.ts'
import { createWorker } from './worker/worker.ts'

export type Role = 'api' | 'gateway' | 'worker'
export const ROLES: readonly Role[] = ['api', 'gateway', 'worker']

export interface ServicesOptions {
  roles: readonly Role[]
  databaseUrl: string
  log: Config['log']
  /** Nobody else gets past the gateway. */
  gatewayUsers: readonly GatewayUser[]
  /** PEM; without it, HTTP. */
  tls?: Config['tls']
  /** Without it, what would be in Redis is in each process's memory. */
  redisUrl?: string
  /** The same Redis as a user with fewer rights, for those who reach it through us. */
  redisBridgeUrl?: string
  /** Without it nobody reaches Redis through us. */
  redisToken?: string
  host: string
  port: number
  /** How browsers reach us, where that is not by a loopback name. */
  publicUrl?: string
  dashboardFolder: string
  retentionDays: Config['retentionDays']
  workerLanes?: Config['workerLanes']
  logger: Logger
  lifecycle: Lifecycle
  firstSteps?: () => Onboarding | undefined
  /** Told when events are missing from the log: their partition waits until somebody decides. */
  onGap?: (gap: Error) => void
  /** Told when the worker ended although nobody told it to. */
  onWorkerEnd?: (error: unknown) => void
}

export interface Services {
  db: Database
  log: Log
  /** undefined with neither api nor gateway */
  served: Served | undefined
}

/** Everything of core that was asked for, on one Postgres and one log; each part registers how it is stopped. */
export async function startServices(options: ServicesOptions): Promise<Services> {
  const { roles, databaseUrl, logger, lifecycle } = options
  const db = createDatabase(databaseUrl, { max: 3, onIdleError: brokenConnection(logger) })
  lifecycle.onStop('database', () => db.destroy())
  const log = await openLog(options.log, databaseUrl, (error) =>
    logger.warn({ error: String(error) }, 'the log had trouble; it goes on by itself'),
  )
  lifecycle.onStop('log', () => log.close())
  if (roles.includes('worker')) startWorker(options, log)
  const served =
    roles.includes('api') || roles.includes('gateway') ? await serve(options, db, log) : undefined
  return { db, log, served }
}

function startWorker(options: ServicesOptions, log: Log): void {
  const { databaseUrl, retentionDays, workerLanes: lanes, logger, lifecycle } = options
  const { onGap, onWorkerEnd } = options
  const stop = new AbortController()
  const worker = createWorker({ databaseUrl, log, logger, retentionDays, concurrency: lanes, onGap })
  const running = worker.run(stop.signal)
  running.catch((error) => onWorkerEnd?.(error))
  lifecycle.onStop('worker', async () => {
    stop.abort()
    // Its failure was told already.
    await running.catch(() => {})
  })
}

async function serve(options: ServicesOptions, db: Database, log: Log): Promise<Served> {
  const { roles, databaseUrl, gatewayUsers, logger, lifecycle, firstSteps } = options
  // Connections of their own: however many questions wait, an edge that asks for a key does not.
  const asking = createDatabase(databaseUrl, { onIdleError: brokenConnection(logger) })
  lifecycle.onStop('questions', () => asking.destroy())
  // And those who watch wait for nobody who asks.
  const watching = createDatabase(databaseUrl, { max: 3, onIdleError: brokenConnection(logger) })
  lifecycle.onStop('what live updates ask', () => watching.destroy())
  const metering = createDatabase(databaseUrl, {
    max: 2,
    statementMs: METRICS_MS_MAX - 500,
    connectMs: METRICS_MS_MAX - 500,
    onIdleError: brokenConnection(logger),
  })
  lifecycle.onStop('metrics', () => metering.destroy())
  const live = createLiveHub({ db: watching, databaseUrl, log, logger })
  lifecycle.onStop('live updates', () => live.close())
  const gateway = roles.includes('gateway')
    ? createKafkaRest({
        log,
        users: gatewayUsers,
        db: openConsumerGroupDatabase(options),
        onError: (error) =>
          logger.warn({ error: String(error) }, 'the gateway had trouble; whoever asked was told'),
      })
    : undefined
  const redis = await connectRedis(options, options.redisUrl)
  const bridge = options.redisBridgeUrl
    ? await connectRedis(options, options.redisBridgeUrl)
    : redis
  if (redis && gateway) {
    const publisher = createKeyPublisher({ db, databaseUrl, redis, logger })
    lifecycle.onStop('keys in Redis', () => publisher.close())
  }
  const resultCache = roles.includes('api') ? openResultCache(options, asking, redis) : undefined
  const app = createCoreApp({
    db,
    log,
    logger,
    metrics: createMetrics({
      db: metering,
      log,
      subscribers: () => live.size,
      ...(redis && { redis: () => redis.up }),
    }),
    ...(roles.includes('api') && {
      api: {
        graphql: createGraphQL({
          db: asking,
          live,
          log,
          onboarding: firstSteps,
          logger,
          resultCache,
        }),
        dashboardFolder: options.dashboardFolder,
        publicUrl: options.publicUrl,
        secure: options.tls !== undefined || options.publicUrl?.startsWith('https:') === true,
      },
    }),
    ...(gateway && { gateway: { app: gateway.app, users: gatewayUsers } }),
    ...(gateway &&
      bridge &&
      options.redisToken && {
        redis: createRedisRest({
          redis: bridge,
          token: options.redisToken,
          onError: (error) =>
            logger.warn({ error: String(error) }, 'Redis did not answer; the edge was told'),
        }),
      }),
  })
  const served = await serveApp(app, {
    port: options.port,
    hostname: options.host,
    tls: options.tls,
  })
  // In reverse: what is on its way is acknowledged first, then the doors close.
  lifecycle.onStop('HTTP', () => served.close(1_000))
  if (gateway) lifecycle.onStop('gateway', () => gateway.close())
  return served
}

/** On connections of their own, made when the first consumer comes: however many of these wait, nothing else does. */
function openConsumerGroupDatabase({ databaseUrl, logger, lifecycle }: ServicesOptions): Database {
  const db = createDatabase(databaseUrl, {
    max: 2,
    statementMs: 2_000,
    connectMs: 2_000,
    onIdleError: brokenConnection(logger),
  })
  lifecycle.onStop('consumer groups', () => db.destroy())
  return db
}

/** In Redis, where there is one, else in this process. */
function openResultCache(
  { databaseUrl, logger, lifecycle }: ServicesOptions,
  db: Database,
  redis: RedisConnection | undefined,
): ResultCache {
  const invalidation = createInvalidation({ databaseUrl, logger })
  lifecycle.onStop('result cache', () => invalidation.close())
  const store = redis ? createRedisStore(redis) : createMemoryStore()
  return createResultCache({ db, store, invalidation })
}

/** A Redis that is away when we start is waited for while we go on. */
async function connectRedis(
  { logger, lifecycle }: ServicesOptions,
  url: string | undefined,
): Promise<RedisConnection | undefined> {
  if (!url) return undefined
  const redis = createRedisConnection({
    url,
    onChange: (up, error) =>
      up
        ? logger.info('Redis is back')
        : logger.warn({ error: error && String(error) }, 'Redis is away'),
  })
  lifecycle.onStop('Redis', () => redis.close())
  await redis.ready(REDIS_START_MS_MAX)
  return redis
}

const REDIS_START_MS_MAX = 2_000

function brokenConnection(logger: Logger): (error: Error) => void {
  return (error) => logger.warn({ error: String(error) }, 'a database connection broke')
}

/** Structured lines; no line holds a key or an event's content. */
export function createLogger(level: string, file?: string): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    file ? pino.destination({ dest: file, mkdir: true, mode: 0o600 }) : pino.destination(1),
  )
}

/** Waits until the worker has stored what the log holds, at most `ms`; what is left it finds at the next start. */
export async function waitUntilDrained(db: Database, log: Log, ms: number): Promise<boolean> {
  const deadline = Date.now() + ms
  for (let left = ms; left > 0; left = deadline - Date.now()) {
    const done = await withTimeout(left, 'the log', isDrained(db, log)).catch(() => false)
    if (done) return true
    await sleep(20)
  }
  return false
}

async function isDrained(db: Database, log: Log): Promise<boolean> {
  const [bounds, positions] = await Promise.all([
    log.offsets(TOPICS.raw.name),
    db
      .selectFrom('log_position')
      .select(['partition', 'next_offset'])
      .where('topic', '=', TOPICS.raw.name)
      .execute(),
  ])
  const read = new Map(positions.map((row) => [row.partition, row.next_offset]))
  return bounds.every(({ partition, lastStableOffset: next }) => (read.get(partition) ?? 0) >= next)
}
