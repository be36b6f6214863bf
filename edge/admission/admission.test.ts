import { admissionSuite } from '../testing/admission.suite.ts'
import { createAdmission } from './admission.ts'
import { createMemoryIdempotency } from './memory-idempotency.ts'
import { createMemoryRateLimiter } from './memory-rate-limiter.ts'

admissionSuite(() => createAdmission(createMemoryRateLimiter(), createMemoryIdempotency()))
