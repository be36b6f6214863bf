import { describe } from 'vitest'
import { cacheStoreSuite } from './cache.suite.ts'
import { createMemoryCache } from './memory-cache.ts'

describe('answers in memory', () => cacheStoreSuite((bytesMax) => createMemoryCache({ bytesMax })))
