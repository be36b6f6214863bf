import { trustClassOf } from '../../../contract/event/trust-class.ts'
import { LIMITS } from '../../../contract/limits.ts'
import { type IdempotencyStore, inFlightProblem, type Lock } from '../../admission/idempotency.ts'
import { readIdempotencyKey } from '../../admission/idempotent-request.ts'
import { degradedHeaders } from '../../admission/rate-limiter.ts'
import type { AuthenticatedRequest } from '../../auth/authenticate.ts'
import { HttpProblem } from '../../http/http-problem.ts'
import { createLineDigest } from './digest.ts'
import type { Line } from './lines.ts'
import { emptyTally, type Tally } from './tally.ts'

/**
 * The Idempotency-Key of a stream. Its lines are known only when they have come, and then most are
 * published; so the lock is acquired without them, and their digest is stored with the response. A
 * repetition is read to its end and compared; a try that stopped half-way is resumed.
 */
export interface StreamLock {
  /** When the client sent one. */
  idempotencyKey: string | undefined
  /** What an earlier try completed; empty for the first one. */
  tally: Tally
  /** How many lines are only read and compared; Infinity when nothing is left to do. */
  completedLines: number
  /** The response of an earlier try that came to its end, as text of a Tally's response. */
  completedResponse?: string
  /** Adds lines to the digest, in their order. */
  digestLines(lines: readonly Line[]): Promise<void>
  /** @throws IDEMPOTENCY_KEY_REUSED when the lines so far are not those of the earlier try */
  verifyLines(): Promise<void>
  renewIfDue(): Promise<void>
  complete(response: string): Promise<void>
  /** Saves a checkpoint of what was completed; of nothing, only releases the key. */
  saveProgress(): Promise<void>
}

/** As it is stored; the names are a stored format. */
interface Stored {
  digest: string
  answer?: string
  tally?: Tally
}

/** A lock is renewed when a third of it has passed. */
const RENEW_MS = LIMITS.idempotencyLeaseMs / 3

/** @throws IDEMPOTENCY_KEY_INVALID, IDEMPOTENCY_IN_FLIGHT, IDEMPOTENCY_KEY_REUSED */
export async function lockStream(
  { c, key: { tenant, kind }, historical }: AuthenticatedRequest,
  store: IdempotencyStore,
  now: () => number,
): Promise<StreamLock> {
  const header = c.req.raw.headers.get('idempotency-key')
  if (header === null) return withoutLock()
  const key = readIdempotencyKey(header)
  const fingerprint = historical ? 'ndjson historical' : 'ndjson'
  const trust = trustClassOf(kind)
  const begun = await store.begin({ tenant, trust, key, fingerprint }, now())
  Object.assign(c.get('headers'), degradedHeaders(begun))
  if (begun.kind === 'mismatch') throw new HttpProblem('IDEMPOTENCY_KEY_REUSED')
  if (begun.kind === 'in-flight') throw inFlightProblem(begun)
  const earlier = begun.kind === 'completed' ? begun.response : begun.checkpoint
  const stored = earlier && (JSON.parse(earlier.body) as Stored)
  const lock = begun.kind === 'acquired' ? begun : undefined
  return withLock(key, stored, lock, now)
}

function withoutLock(): StreamLock {
  const nothing = async () => {}
  return {
    idempotencyKey: undefined,
    tally: emptyTally(),
    completedLines: 0,
    digestLines: nothing,
    verifyLines: nothing,
    renewIfDue: nothing,
    complete: nothing,
    saveProgress: nothing,
  }
}

function withLock(
  idempotencyKey: string,
  stored: Stored | undefined,
  lock: Lock | undefined,
  now: () => number,
): StreamLock {
  const digest = createLineDigest()
  const tally = stored?.tally ?? emptyTally()
  const serialise = async (rest: Omit<Stored, 'digest'>) => ({
    status: 202,
    body: JSON.stringify({ digest: await digest.value(), ...rest } satisfies Stored),
  })
  const before = tally.lines
  let renewedAt = now()
  return {
    idempotencyKey,
    tally,
    completedLines: stored?.answer === undefined ? before : Number.POSITIVE_INFINITY,
    completedResponse: stored?.answer,
    digestLines: (lines) => digest.add(lines),
    async verifyLines() {
      if ((await digest.value()) !== stored?.digest)
        throw new HttpProblem('IDEMPOTENCY_KEY_REUSED', {
          detail:
            'This Idempotency-Key was used before with other lines. To go on with the rest of a stream alone, send it with another one.',
        })
    },
    async renewIfDue() {
      if (now() - renewedAt < RENEW_MS) return
      renewedAt = now()
      await lock?.renew(renewedAt)
    },
    async complete(response) {
      await lock?.complete(await serialise({ answer: response }), now())
    },
    async saveProgress() {
      if (tally.accepted > 0 && tally.lines > before)
        await lock?.saveCheckpoint(await serialise({ tally }), now())
      else await lock?.release()
    },
  }
}
