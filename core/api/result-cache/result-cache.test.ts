import { createMemoryStore } from './memory-store.ts'
import { resultCacheSuite } from './result-cache.suite.ts'

resultCacheSuite('in memory', () => createMemoryStore(), { shared: false })
