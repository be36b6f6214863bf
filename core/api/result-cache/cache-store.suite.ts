import { randomBytes, randomUUID } from 'node:crypto'
import { expect, test } from 'vitest'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import type { CacheStore } from './cache-store.ts'

/**
 * What every store of the result cache promises.
 * @param create an empty one that holds so many bytes
 */
export function cacheStoreSuite(
  create: (bytesMax?: number) => Promise<CacheStore> | CacheStore,
): void {
  const fresh = () => randomUUID()

  test('returns the very bytes that were stored, of any kind and length', async () => {
    const cache = await create()
    for (const bytes of [Buffer.from('{"data":1}'), Buffer.alloc(0), randomBytes(300_000)]) {
      const name = fresh()
      expect(await cache.get(name)).toBeUndefined()
      await cache.set(name, bytes, 60_000)
      expect(await cache.get(name)).toEqual(bytes)
    }
  })

  test('replaces an entry of the same name', async () => {
    const cache = await create()
    await cache.set('a', Buffer.from('first'), 60_000)
    await cache.set('a', Buffer.from('second'), 60_000)
    expect((await cache.get('a'))?.toString()).toBe('second')
  })

  test('drops an entry when its time is over', async () => {
    const cache = await create()
    await cache.set('short', Buffer.from('x'), 150)
    await cache.set('long', Buffer.from('x'), 60_000)
    expect(await cache.get('short')).toBeDefined()
    await expect.poll(() => cache.get('short'), { interval: 20, timeout: 2_000 }).toBeUndefined()
    expect(await cache.get('long')).toBeDefined()
  })

  test('holds no more bytes than its limit, and keeps the newest entries', async () => {
    const cache = await create(10_000)
    const names = Array.from({ length: 20 }, fresh)
    for (const [i, name] of names.entries()) await cache.set(name, Buffer.alloc(1_000), 60_000 + i)
    const kept = await Promise.all(names.map((name) => cache.get(name)))
    const held = kept.filter(Boolean).length
    expect(held).toBeGreaterThanOrEqual(5)
    expect(held).toBeLessThanOrEqual(10)
    expect(kept.slice(-5).every(Boolean)).toBe(true)
    // An entry that is stored repeatedly counts once.
    for (let i = 0; i < 50; i++) await cache.set('same', Buffer.alloc(1_000), 120_000)
    expect(await cache.get(names.at(-1) as string)).toBeDefined()
  })

  test('does not store an entry that is too large', async () => {
    const cache = await create()
    await cache.set('big', Buffer.alloc(QUERY_LIMITS.cachedResultBytesMax + 1), 60_000)
    expect(await cache.get('big')).toBeUndefined()
  })
}
