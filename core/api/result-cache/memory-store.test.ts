import { describe } from 'vitest'
import { cacheStoreSuite } from './cache-store.suite.ts'
import { createMemoryStore } from './memory-store.ts'

describe('the memory store', () => cacheStoreSuite((bytesMax) => createMemoryStore({ bytesMax })))
