import { createMemoryCache } from './memory-cache.ts'
import { resultCacheSuite } from './result-cache.suite.ts'

resultCacheSuite('kept in memory', () => createMemoryCache(), { shared: false })
