import { LIMITS } from '../../../contract/limits.ts'
import {
  type IdempotencyStore,
  inFlightProblem,
  type Lock,
  readIdempotencyKey,
} from '../../admission/idempotency.ts'
import { degradedHeaders } from '../../admission/rate-limiter.ts'
import type { EdgeContext } from '../../http/context.ts'
import { HttpProblem } from '../../http/http-problem.ts'
import { createLineDigest } from './digest.ts'
import type { Line } from './lines.ts'
import { emptyTally, type Tally } from './tally.ts'

/**
 * The Idempotency-Key of a stream. What its lines are is known only when they have come, and then
 * most are published; so it is claimed without them, and their digest is kept beside the answer. A
 * repetition is read to its end and compared; a try that came half-way is gone on with.
 */
export interface StreamLock {
  /** What an earlier try settled; empty for the first one. */
  tally: Tally
  /** How many lines are read and compared only; Infinity when there is nothing left to do. */
  completedLines: number
  /** The answer of an earlier try that came to its end, as text of a Tally's answer. */
  completedResponse?: string
  digestLines(lines: readonly Line[]): Promise<void>
  /** @throws IDEMPOTENCY_KEY_REUSED when the lines so far are not those of the earlier try */
  verifyLines(): Promise<void>
  renewIfDue(): Promise<void>
  complete(answer: string): Promise<void>
  /** Keeps what was settled; of nothing, only gives the key free. */
  saveProgress(): Promise<void>
}

/** As it is stored. */
interface Stored {
  digest: string
  answer?: string
  tally?: Tally
}

/** A lease is renewed when a third of it has passed. */
const RENEW_MS = LIMITS.idempotencyLeaseMs / 3

/** @throws IDEMPOTENCY_KEY_INVALID, IDEMPOTENCY_IN_FLIGHT, IDEMPOTENCY_KEY_REUSED */
export async function lockStream(
  c: EdgeContext,
  idempotency: IdempotencyStore,
  now: () => number,
): Promise<StreamLock> {
  const header = c.req.raw.headers.get('idempotency-key')
  const tally = emptyTally()
  if (header === null) return unleased(tally)
  const key = readIdempotencyKey(header)
  c.set('idempotencyKey', key)
  const fingerprint = c.get('historical') ? 'ndjson historical' : 'ndjson'
  const found = await idempotency.begin({ tenant: c.get('key').tenant, key, fingerprint }, now())
  Object.assign(c.get('headers'), degradedHeaders(found))
  if (found.kind === 'mismatch') throw new HttpProblem('IDEMPOTENCY_KEY_REUSED')
  if (found.kind === 'in-flight') throw inFlightProblem(found)
  const said = found.kind === 'completed' ? found.said : found.checkpoint
  const stored = said && (JSON.parse(said.body) as Stored)
  const lease = found.kind === 'acquired' ? found : undefined
  return leased(stored, lease, now)
}

function unleased(tally: Tally): StreamLock {
  const nothing = async () => {}
  return {
    tally,
    completedLines: 0,
    digestLines: nothing,
    verifyLines: nothing,
    renewIfDue: nothing,
    complete: nothing,
    saveProgress: nothing,
  }
}

function leased(
  stored: Stored | undefined,
  lease: Lock | undefined,
  now: () => number,
): StreamLock {
  const digest = createLineDigest()
  const tally = stored?.tally ?? emptyTally()
  const store = async (rest: Omit<Stored, 'digest'>) => ({
    status: 202,
    body: JSON.stringify({ digest: await digest.value(), ...rest } satisfies Stored),
  })
  const before = tally.lines
  let renewed = now()
  return {
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
      if (now() - renewed < RENEW_MS) return
      renewed = now()
      await lease?.renew(renewed)
    },
    async complete(answer) {
      await lease?.complete(await store({ answer }), now())
    },
    async saveProgress() {
      if (tally.accepted > 0 && tally.lines > before)
        await lease?.saveCheckpoint(await store({ tally }), now())
      else await lease?.release()
    },
  }
}
