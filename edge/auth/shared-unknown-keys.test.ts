import { expect, it } from 'vitest'
import { LIMITS } from '../../contract/limits.ts'
import type { RedisClient } from '../admission/redis/redis.ts'
import { createSharedUnknownKeys } from './shared-unknown-keys.ts'

/** The script's answer of a Redis: how many keys are left, and of how many. */
function setUp(left: number) {
  const keys: string[] = []
  const redis = {
    async run(_: unknown, named: string[]) {
      keys.push(...named)
      return [left, LIMITS.unknownKeysPerMinuteMax]
    },
  } as unknown as RedisClient
  return { keys, shared: createSharedUnknownKeys(redis, Date.now, () => {}) }
}

it('a group within the shared limit waits for nothing', async () => {
  for (const left of [0, 1, 99]) expect(await setUp(left).shared.count('192.0.2.1')).toBe(0)
})

it('a group over the shared limit waits for the end of the minute, and no longer', async () => {
  const waitMs = await setUp(-1).shared.count('192.0.2.1')
  expect(waitMs).toBeGreaterThan(0)
  expect(waitMs).toBeLessThanOrEqual(60_000)
})

it('each group has counts of its own, all of them on one node of a cluster', async () => {
  const { keys, shared } = setUp(1)
  await shared.count('192.0.2.1')
  await shared.count('2001:db8:0:1')
  const tags = keys.map((key) => /\{([^}]*)\}/.exec(key)?.[1])
  expect(new Set(tags)).toEqual(new Set(['192.0.2.1', '2001:db8:0:1']))
})

it('a Redis that refuses to count is left alone for a while, and reported once', async () => {
  let asked = 0
  let now = 0
  const reports: unknown[] = []
  const redis = {
    async run() {
      asked++
      throw new Error('NOPERM')
    },
  } as unknown as RedisClient
  const shared = createSharedUnknownKeys(
    redis,
    () => now,
    (entry) => reports.push(entry),
  )
  for (let i = 0; i < 3; i++) expect(await shared.count('192.0.2.1')).toBe(0)
  expect([asked, reports.length]).toEqual([1, 1])
  now = 10_000
  expect(await shared.count('192.0.2.1')).toBe(0)
  expect([asked, reports.length]).toEqual([2, 2])
})
