import { LIMITS } from '../contract/limits.ts'
import { createHttpKeyDirectory, type KeyDirectory } from '../edge/auth/key-directory.ts'
import { createRedisKeyDirectory } from '../edge/auth/redis-key-directory.ts'
import { abortOnTimeout } from '../edge/lib/timeout.ts'
import type { ServedEdge } from '../edge/node/serve-edge.ts'
import { type CollectorDeps, startCollector } from './collector/collector.ts'
import type { Config } from './config.ts'
import { type ConnectionOptions, connect, connectRedis } from './connections.ts'
import { createRedisConnection, type RedisConnection } from './db/redis-connection.ts'
import { checkBridgeUser, checkMayLimit } from './gateway/redis/bridge-user.ts'
import { createKeyUseRecorder, findKeyRecord, isUsable } from './identity/key-directory.ts'
import { withTimeout } from './lib/timeout.ts'
import type { Log } from './log/log.ts'
import { openLog } from './log/open.ts'

export interface CollectorOptions extends Pick<ConnectionOptions, 'logger' | 'lifecycle'> {
  collector?: Config['collector'] | undefined
  host: string
  tls?: Config['tls']
  redisUrl?: string | undefined
  redisBridgeUrl?: string | undefined
}

/** The role collector: events over HTTP, straight into the log. Keys are looked up in Postgres. */
export async function serveCollector(
  options: CollectorOptions & ConnectionOptions,
  log: Log,
): Promise<ServedEdge> {
  const directory = keysOfDatabase(options)
  return serve(options, log, () => directory)
}

/**
 * The same where no password of the database may be: keys are looked up as edges do it, in Redis and in core's gateway.
 * @throws UsageError when the log is in Postgres, or its topics do not exist
 */
export async function serveCollectorWithoutDatabase(
  options: CollectorOptions & Pick<Config, 'log'>,
): Promise<ServedEdge> {
  const { collector, logger, lifecycle } = options
  const gateway = collector?.gateway
  if (!gateway) throw new Error('the collector has neither a database nor a gateway')
  const core = createHttpKeyDirectory(gateway, abortOnTimeout)
  const log = await openLog(options.log, undefined, (error) =>
    logger.warn({ error: String(error) }, 'event log: a request failed, retrying'),
  )
  lifecycle.onStop('log', () => log.close())
  return serve(options, log, (redis, now) =>
    redis ? createRedisKeyDirectory(redis, core, now) : core,
  )
}

async function serve(
  options: CollectorOptions,
  log: Log,
  keys: CollectorDeps['keys'],
): Promise<ServedEdge> {
  const { collector, logger, lifecycle, host, tls } = options
  if (!collector) throw new Error('the role collector has no settings')
  const served = await startCollector(
    {
      log,
      keys,
      redis: await openRedis(options),
      redisMsMax: collector.redisMsMax,
      settings: collector.settings,
      report: ({ level, what, ...entry }) => logger[level](entry, what),
    },
    { host, port: collector.port, tls },
  )
  lifecycle.onStop('collector', () => served.close())
  return served
}

function keysOfDatabase(options: ConnectionOptions): KeyDirectory {
  const db = connect(options, 'keys of the collector', {
    max: 2,
    statementMs: 2_000,
    connectMs: 2_000,
  })
  const recordUse = createKeyUseRecorder(db)
  async function find(sha256Hex: string) {
    const record = await findKeyRecord(db, sha256Hex)
    if (!record) return undefined
    if (isUsable(record)) void recordUse(record.key_id)
    return { record, ageMs: 0 }
  }
  return {
    find: (sha256Hex) => withTimeout(LIMITS.keyLookupMsMax, 'the key directory', find(sha256Hex)),
  }
}

/**
 * As the user with fewer rights where there is one: limits and locks are all that it needs.
 * @throws UsageError when that is core's own, or may not limit
 */
async function openRedis(options: CollectorOptions): Promise<RedisConnection | undefined> {
  const { redisUrl, redisBridgeUrl, logger } = options
  const redis = await connectRedis(options, redisBridgeUrl ?? redisUrl)
  if (!redis) return undefined
  await checkMayLimit(redis)
  if (!redisUrl) return redis
  if (!redisBridgeUrl) {
    logger.warn(
      {
        hint: 'Create the user "edges" as docs/adr/0013-redis.md shows, and set SLUICE_REDIS_BRIDGE_URL.',
      },
      "the collector has core's own rights in Redis",
    )
    return redis
  }
  const core = createRedisConnection({ url: redisUrl })
  try {
    await core.ready(2_000)
    await checkBridgeUser(core, redis)
  } finally {
    await core.close()
  }
  return redis
}
