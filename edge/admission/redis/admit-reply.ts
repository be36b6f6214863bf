import * as z from 'zod/mini'
import type { Bucket, Window } from '../allowance.ts'

/** What the script ADMIT returns. */
export interface AdmitReply {
  allowed: boolean
  bucket: Bucket
  window: Window
  /** '' without an Idempotency-Key */
  kind: '' | 'acquired' | 'in-flight' | 'mismatch' | 'completed'
  /** An earlier try's response or checkpoint; '' without one. */
  stored: unknown
  lockedAt: number
  until: number
}

const count = z.number()
const reply = z.tuple([
  count,
  count,
  count,
  count,
  count,
  count,
  z.enum(['', 'acquired', 'in-flight', 'mismatch', 'completed']),
  // Text that looks like JSON has been parsed by the client.
  z.unknown(),
  count,
  count,
])

/** @throws when Redis returns something else than our script does */
export function parseAdmitReply(sent: unknown): AdmitReply {
  const [allowed, fill, at, start, previous, current, kind, stored, lockedAt, until] =
    reply.parse(sent)
  return {
    allowed: allowed === 1,
    bucket: { fill, at },
    window: { start, previous, current },
    kind,
    stored,
    lockedAt,
    until,
  }
}
