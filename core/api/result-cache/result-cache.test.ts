import { createMemoryCache } from './memory-cache.ts'
import { answersSuite } from './result-cache.suite.ts'

answersSuite('kept in memory', () => createMemoryCache(), { shared: false })
