import { createMemoryStore } from './memory-store.ts'
import { resultCacheSuite } from './result-cache.suite.ts'

resultCacheSuite('kept in memory', () => createMemoryStore(), { shared: false })
