import type { ServedEdge } from '../edge/node/serve-edge.ts'
import { startCollector } from './collector/collector.ts'
import type { Config } from './config.ts'
import { type ConnectionOptions, connect, connectRedis } from './connections.ts'
import { createRedisConnection, type RedisConnection } from './db/redis-connection.ts'
import { checkBridgeUser, checkMayLimit } from './gateway/redis/bridge-user.ts'
import { createKeyUseRecorder, findKeyRecord, isUsable } from './identity/key-directory.ts'
import type { Log } from './log/log.ts'

export interface CollectorOptions extends ConnectionOptions {
  collector?: Config['collector'] | undefined
  host: string
  tls?: Config['tls']
  redisUrl?: string | undefined
  redisBridgeUrl?: string | undefined
}

/** The role collector: events over HTTP, straight into the log. */
export async function serveCollector(options: CollectorOptions, log: Log): Promise<ServedEdge> {
  const { collector, logger, lifecycle, host, tls } = options
  if (!collector) throw new Error('the role collector has no settings')
  const keysDb = connect(options, 'keys of the collector', {
    max: 2,
    statementMs: 2_000,
    connectMs: 2_000,
  })
  const recordUse = createKeyUseRecorder(keysDb)
  const redis = await openRedis(options)
  const served = await startCollector(
    {
      log,
      async findKey(sha256Hex) {
        const record = await findKeyRecord(keysDb, sha256Hex)
        if (!record) return undefined
        if (isUsable(record)) void recordUse(record.key_id)
        return { record, ageMs: 0 }
      },
      redis,
      redisMsMax: collector.redisMsMax,
      settings: collector.settings,
      report: ({ level, what, ...entry }) => logger[level](entry, what),
    },
    { host, port: collector.port, tls },
  )
  lifecycle.onStop('collector', () => served.close())
  return served
}

/** As the user with fewer rights where there is one: limits and locks are all that it needs. @throws UsageError when that is core's own, or may not limit */
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
