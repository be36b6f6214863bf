import { Hono } from 'hono'
import { serveApp } from '../../core/api/http/serve.ts'
import { createRedisConnection, type RedisConnection } from '../../core/db/redis-connection.ts'
import { createRedisRest } from '../../core/gateway/redis/redis-rest.ts'

/** Our REST-Redis as core serves it, on a port of its own. */
export interface TestBridge {
  url: string
  token: string
  /** Requests so far, whatever was answered. */
  requests: number
  redis: RedisConnection
  close(): Promise<void>
}

/**
 * @param msMax for Redis; what is not about time has plenty of it on a busy machine
 * @param isAllowedScript for what is about the protocol, not about the product's own scripts
 */
export async function startTestBridge(
  redisUrl: string,
  msMax?: number,
  isAllowedScript?: (sha1: string) => boolean,
): Promise<TestBridge> {
  const token = 'a-token-of-the-test'
  const redis = createRedisConnection({ url: redisUrl })
  const app = new Hono().use((_, next) => {
    bridge.requests++
    return next()
  })
  const served = await serveApp(
    app.route('/redis', createRedisRest({ redis, token, msMax, isAllowedScript })),
    {
      port: 0,
    },
  )
  const bridge: TestBridge = {
    url: `${served.url}/redis`,
    token,
    requests: 0,
    redis,
    async close() {
      await redis.close()
      await served.close(0)
    },
  }
  if (!(await redis.ready(5_000))) throw new Error('Redis is not there')
  return bridge
}
