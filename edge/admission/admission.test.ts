import { admissionSuite } from '../testing/admission.suite.ts'
import { createGate } from './admission.ts'
import { createMemoryIdempotency } from './memory-idempotency.ts'
import { createMemoryRateLimiter } from './memory-rate-limiter.ts'

admissionSuite(() => createGate(createMemoryLimiter(), createMemoryIdempotency()))
