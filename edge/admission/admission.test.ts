import { gateSuite } from '../testing/admission.suite.ts'
import { createGate } from './admission.ts'
import { createMemoryIdempotency } from './memory-idempotency.ts'
import { createMemoryLimiter } from './memory-rate-limiter.ts'

gateSuite(() => createGate(createMemoryLimiter(), createMemoryIdempotency()))
