import type { Config } from './config.ts'
import type { ConnectionOptions } from './connections.ts'
import type { RedisConnection } from './db/redis-connection.ts'
import type { Log } from './log/log.ts'
import { createCanarySender } from './proof/canaries/send-canaries.ts'

interface CanaryOptions extends ConnectionOptions {
  canaries?: Config['canaries']
}

/** Canaries of the role api, which runs even where all workers are stopped. */
export function startCanaries(
  { canaries: settings, databaseUrl, logger, lifecycle }: CanaryOptions,
  log: Log,
  redis: RedisConnection | undefined,
): void {
  if (!settings) return
  const stop = new AbortController()
  const sender = createCanarySender({
    ...{ databaseUrl, log, logger, settings },
    ...(redis && { isRedisUp: () => redis.up }),
  })
  const running = sender.run(stop.signal)
  lifecycle.onStop('canaries', () => {
    stop.abort()
    return running
  })
}
