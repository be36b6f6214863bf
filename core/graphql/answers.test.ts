import { createMemoryCache } from './cache.ts'
import { answersSuite } from './testing/answers.suite.ts'

answersSuite('kept in memory', () => createMemoryCache(), { shared: false })
