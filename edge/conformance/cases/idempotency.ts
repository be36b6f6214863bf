import { type Case, EVENT } from './case.ts'

/** Has this been done already? */
export const IDEMPOTENCY: readonly Case[] = [
  ...['', '"', '""', 'a b', 'ä', 'x'.repeat(256), '"a', 'a, b'].map(
    (key): Case => ({
      says: `an Idempotency-Key of ${key.slice(0, 10)}`,
      headers: { 'idempotency-key': Buffer.from(key, 'utf8').toString('latin1') },
      body: EVENT,
      status: 400,
      code: 'IDEMPOTENCY_KEY_INVALID',
    }),
  ),
]
