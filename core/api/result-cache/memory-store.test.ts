import { describe } from 'vitest'
import { cacheStoreSuite } from './cache-store.suite.ts'
import { createMemoryStore } from './memory-store.ts'

describe('answers in memory', () => cacheStoreSuite((bytesMax) => createMemoryStore({ bytesMax })))
