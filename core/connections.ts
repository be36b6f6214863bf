import type { Logger } from 'pino'
import { createDatabase, type Database, type DatabaseOptions } from './db/database.ts'
import { createRedisConnection, type RedisConnection } from './db/redis-connection.ts'
import type { DatabaseRoles } from './db/roles.ts'
import type { Lifecycle } from './lifecycle.ts'

export interface ConnectionOptions {
  databaseUrl: string
  databaseRoles: DatabaseRoles
  logger: Logger
  lifecycle: Lifecycle
}

/** Connections that write, unless `reads`; closed by the lifecycle. */
export function connect(
  { databaseUrl, databaseRoles, logger, lifecycle }: ConnectionOptions,
  name: string,
  { reads = false, ...poolOptions }: DatabaseOptions & { reads?: boolean } = {},
): Database {
  const db = createDatabase(databaseUrl, {
    ...poolOptions,
    role: reads ? databaseRoles.read : databaseRoles.write,
    onIdleError: (error) =>
      logger.warn({ error: String(error) }, 'database connection broke, it is replaced'),
  })
  lifecycle.onStop(name, () => db.destroy())
  return db
}

const REDIS_START_MS_MAX = 2_000

/** Does not fail while Redis is unavailable: it connects in the background. */
export async function connectRedis(
  { logger, lifecycle }: Pick<ConnectionOptions, 'logger' | 'lifecycle'>,
  url: string | undefined,
): Promise<RedisConnection | undefined> {
  if (!url) return undefined
  const redis = createRedisConnection({
    url,
    onChange: (up, error) =>
      up
        ? logger.info('Redis is available again')
        : logger.warn({ error: error && String(error) }, 'Redis is unavailable, reconnecting'),
  })
  lifecycle.onStop('Redis', () => redis.close())
  await redis.ready(REDIS_START_MS_MAX)
  return redis
}
