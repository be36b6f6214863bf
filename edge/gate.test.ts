import { createGate } from './gate.ts'
import { createMemoryIdempotency } from './memory-idempotency.ts'
import { createMemoryLimiter } from './memory-limiter.ts'
import { gateSuite } from './testing/gate.suite.ts'

gateSuite(() => createGate(createMemoryLimiter(), createMemoryIdempotency()))
