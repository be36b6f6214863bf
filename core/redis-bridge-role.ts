import type { CoreDeps } from './api/http/app.ts'
import { type ConnectionOptions, connectRedis } from './connections.ts'
import type { RedisConnection } from './db/redis-connection.ts'
import { checkBridgeUser } from './gateway/redis/bridge-user.ts'
import { createRedisRest } from './gateway/redis/redis-rest.ts'

interface BridgeOptions extends Pick<ConnectionOptions, 'logger' | 'lifecycle'> {
  redisBridgeUrl?: string
  redisToken?: string
}

/** Redis over REST for edges, as the user with fewer rights. @throws UsageError when that is core's own user */
export async function createRedisBridge(
  options: BridgeOptions,
  redis: RedisConnection | undefined,
): Promise<CoreDeps['redis']> {
  const { redisBridgeUrl, redisToken: token, logger } = options
  if (!token) return undefined
  const bridge = await connectRedis(options, redisBridgeUrl)
  if (!bridge) return undefined
  if (redis) await checkBridgeUser(redis, bridge)
  return createRedisRest({
    redis: bridge,
    token,
    onError: (error) =>
      logger.warn(
        { error: String(error) },
        'Redis request of an edge failed, the edge got an error',
      ),
  })
}
