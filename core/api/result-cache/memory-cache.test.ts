import { describe } from 'vitest'
import { createMemoryCache } from './memory-cache.ts'
import { cacheSuite } from './cache.suite.ts'

describe('answers in memory', () => cacheSuite((bytesMax) => createMemoryCache({ bytesMax })))
