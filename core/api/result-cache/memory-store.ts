import { QUERY_LIMITS } from '../../queries/limits.ts'
import type { CacheStore } from './cache-store.ts'

export interface MemoryStoreOptions {
  bytesMax?: number
  now?: () => number
}

/** What a Map entry and two names cost, about. */
const ENTRY_BYTES = 200

/** In this process's memory; the least recently used entry is dropped first. */
export function createMemoryStore({
  bytesMax = QUERY_LIMITS.cacheBytesMax,
  now = Date.now,
}: MemoryStoreOptions = {}): CacheStore {
  const entries = new Map<string, { bytes: Buffer; until: number }>()
  let size = 0

  function drop(name: string): void {
    const entry = entries.get(name)
    if (entry && entries.delete(name)) size -= entry.bytes.length + ENTRY_BYTES
  }

  return {
    async get(name) {
      const entry = entries.get(name)
      if (!entry) return undefined
      entries.delete(name)
      entries.set(name, entry)
      if (entry.until > now()) return entry.bytes
      drop(name)
      return undefined
    },
    async set(name, bytes, ms) {
      drop(name)
      if (bytes.length > QUERY_LIMITS.cachedResultBytesMax) return
      entries.set(name, { bytes, until: now() + ms })
      size += bytes.length + ENTRY_BYTES
      while (size > bytesMax) drop(entries.keys().next().value as string)
    },
  }
}
