import { SIZES } from './cases/batches.ts'
import { BODIES } from './cases/bodies.ts'
import type { Case } from './cases/case.ts'
import { IDEMPOTENCY } from './cases/idempotency.ts'
import { KEYS } from './cases/keys.ts'
import { NAMES } from './cases/names.ts'
import { NUMBERS } from './cases/numbers.ts'
import { ROUTES } from './cases/routes.ts'
import { SYNTAX } from './cases/syntax.ts'
import { TEXTS } from './cases/texts.ts'
import { TIMES } from './cases/times.ts'

/** Every request of the table; `wire.ts` has those that no HTTP client can send. */
export const CASES: readonly Case[] = [
  ...ROUTES,
  ...KEYS,
  ...BODIES,
  ...SIZES,
  ...IDEMPOTENCY,
  ...SYNTAX,
  ...TEXTS,
  ...NUMBERS,
  ...NAMES,
  ...TIMES,
]
