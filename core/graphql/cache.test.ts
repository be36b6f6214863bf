import { describe } from 'vitest'
import { createMemoryCache } from './cache.ts'
import { cacheSuite } from './testing/cache.suite.ts'

describe('answers in memory', () => cacheSuite((bytesMax) => createMemoryCache({ bytesMax })))
