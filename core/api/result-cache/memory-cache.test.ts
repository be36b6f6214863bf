import { describe } from 'vitest'
import { cacheSuite } from './cache.suite.ts'
import { createMemoryCache } from './memory-cache.ts'

describe('answers in memory', () => cacheSuite((bytesMax) => createMemoryCache({ bytesMax })))
