import * as z from 'zod/mini'
import { keyRecord } from '../../contract/api-key.ts'
import { LIMITS } from '../../contract/limits.ts'
import { REDIS_KEYS } from '../../contract/redis-rest.ts'
import type { RedisClient } from '../admission/redis/redis.ts'
import type { KeyDirectory } from './key-directory.ts'

/**
 * Keys as core publishes them in Redis: close to every edge, while core may be far away. A record that
 * is missing, may be too old or cannot be read is looked up in core, so a new key works at once, and a
 * revoked one is never accepted for longer than without Redis.
 */
export function createRedisKeyDirectory(
  redis: RedisClient,
  core: KeyDirectory,
  now: () => number,
): KeyDirectory {
  async function published(sha256Hex: string) {
    const names = [REDIS_KEYS.apiKey(sha256Hex), REDIS_KEYS.apiKeysAsOf] as const
    const [record, asOf] = reply.parse(await redis.get(...names))
    if (record === null || asOf === null) return undefined
    const ageMs = Math.max(0, now() - asOf)
    return ageMs < LIMITS.keyCacheFreshMs ? { record: keyRecord.parse(record), ageMs } : undefined
  }

  return {
    async find(sha256Hex) {
      // An error of Redis decides nothing: core is asked.
      const found = await published(sha256Hex).catch(() => undefined)
      return found ?? core.find(sha256Hex)
    },
  }
}

const reply = z.tuple([z.unknown(), z.nullable(z.number())])
