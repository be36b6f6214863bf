import { type RedisConnection, RedisError } from '../../db/redis-connection.ts'
import { UsageError } from '../../lib/usage-error.ts'

/**
 * Edges could forge API keys and read cached results of all tenants if their requests ran as core's own user. A Redis
 * that is away at start is not asked: then the names in the URLs, which are always compared, decide alone.
 * @throws UsageError when both connections belong to the same user of Redis
 */
export async function checkBridgeUser(
  core: RedisConnection,
  bridge: RedisConnection,
): Promise<void> {
  const [own, edges] = await Promise.all([whoAmI(core), whoAmI(bridge)])
  if (own === undefined || own !== edges) return
  throw new UsageError(
    `SLUICE_REDIS_BRIDGE_URL signs in to Redis as ${own}, the user of REDIS_URL: requests of edges would have core's own rights.`,
    'Create the user "edges" as docs/adr/0013-redis.md shows, and use it in SLUICE_REDIS_BRIDGE_URL.',
  )
}

/** undefined when Redis does not say. */
async function whoAmI(redis: RedisConnection): Promise<string | undefined> {
  const replies = await redis.send([['ACL', 'WHOAMI']], 2_000).catch(() => [])
  const [reply] = replies
  // Redis 7 names the user who may not ask.
  if (reply instanceof RedisError) return /User (\S+) has no permissions/.exec(reply.message)?.[1]
  return reply == null ? undefined : String(reply)
}
