import { REDIS_KEYS } from '../../../contract/redis-rest.ts'
import { type RedisConnection, RedisError } from '../../db/redis-connection.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import type { CacheStore } from './cache-store.ts'

/**
 * Stores one result, and drops those that expire first until all of them fit: the same Redis holds
 * leases and limits, and must not fill up with results.
 * KEYS: result, results by expiry, their sizes, their sum. ARGV: bytes, ms, the limit of the sum.
 */
const STORE = `local function drop(name)
  local size = redis.call('HGET', KEYS[3], name)
  if size then
    redis.call('HDEL', KEYS[3], name)
    redis.call('DECRBY', KEYS[4], size)
  end
  redis.call('ZREM', KEYS[2], name)
  redis.call('DEL', name)
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 1000)) do drop(name) end
drop(KEYS[1])
local size = #ARGV[1] + 300
while tonumber(redis.call('GET', KEYS[4]) or 0) + size > tonumber(ARGV[3]) do
  local first = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
  if not first then break end
  drop(first)
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('ZADD', KEYS[2], now + ARGV[2], KEYS[1])
redis.call('HSET', KEYS[3], KEYS[1], size)
redis.call('INCRBY', KEYS[4], size)
return 1`

export interface RedisStoreOptions {
  bytesMax?: number
}

/** In Redis: shared by all cores, and kept over a restart. */
export function createRedisStore(
  redis: RedisConnection,
  { bytesMax = QUERY_LIMITS.cacheInRedisBytesMax }: RedisStoreOptions = {},
): CacheStore {
  const { cachedResultsByExpiry, cachedResultSizes, cachedResultsBytes } = REDIS_KEYS
  return {
    async get(name) {
      try {
        const [found] = await redis.send(
          [['GET', REDIS_KEYS.cachedResult(name)]],
          QUERY_LIMITS.cacheMsMax,
        )
        return Buffer.isBuffer(found) ? found : undefined
      } catch {
        // The connection reports that Redis is unavailable; the query is executed.
        return undefined
      }
    },
    async set(name, bytes, ms) {
      if (bytes.length > QUERY_LIMITS.cachedResultBytesMax) return
      const keys = [
        REDIS_KEYS.cachedResult(name),
        cachedResultsByExpiry,
        cachedResultSizes,
        cachedResultsBytes,
      ]
      const args = [bytes, String(Math.ceil(ms)), String(bytesMax)]
      await redis.send([['EVAL', STORE, '4', ...keys, ...args]], QUERY_LIMITS.cacheMsMax).then(
        ([reply]) => reply instanceof RedisError,
        () => {},
      )
    },
  }
}
