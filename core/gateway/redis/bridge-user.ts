import { REDIS_KEYS } from '../../../contract/redis-rest.ts'
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

/**
 * A user who may not run the scripts of limits fails each request like a Redis that is away: the limits would be each
 * process's own, and nothing would say why.
 * @throws UsageError for such a user
 */
export async function checkMayLimit(redis: RedisConnection): Promise<void> {
  const commands = [
    // No script has this hash, so nothing is run.
    ['evalsha', '0'.repeat(40), '0'],
    ['mget', REDIS_KEYS.apiKey('0'.repeat(64))],
  ]
  const replies = await redis.send(commands, 2_000).catch(() => [])
  const refused = replies.find(
    (reply) => reply instanceof RedisError && reply.message.startsWith('NOPERM'),
  )
  if (!refused) return
  throw new UsageError(
    `The collector's user of Redis may not run the scripts of limits: ${(refused as RedisError).message}.`,
    'Create the user "edges" as docs/adr/0013-redis.md shows, and set SLUICE_REDIS_BRIDGE_URL.',
  )
}
