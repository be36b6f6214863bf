import { LIMITS } from '../../../contract/limits.ts'
import {
  type Idempotency,
  inFlight,
  type Lease,
  readIdempotencyKey,
} from '../../admission/idempotency.ts'
import { degradedHeaders } from '../../admission/rate-limiter.ts'
import type { EdgeContext } from '../../http/context.ts'
import { Refused } from '../../http/http-problem.ts'
import { createLineDigest } from './digest.ts'
import type { Line } from './lines.ts'
import { emptyTally, type Tally } from './tally.ts'

/**
 * The Idempotency-Key of a stream. What its lines are is known only when they have come, and then
 * most are published; so it is claimed without them, and their digest is kept beside the answer. A
 * repetition is read to its end and compared; a try that came half-way is gone on with.
 */
export interface StreamLease {
  /** What an earlier try settled; empty for the first one. */
  tally: Tally
  /** How many lines are read and compared only; Infinity when there is nothing left to do. */
  settledBefore: number
  /** The answer of an earlier try that came to its end, as text of a Tally's answer. */
  done?: string
  pass(lines: readonly Line[]): Promise<void>
  /** @throws IDEMPOTENCY_KEY_REUSED when the lines so far are not those of the earlier try */
  compare(): Promise<void>
  tick(): Promise<void>
  finish(answer: string): Promise<void>
  /** Keeps what was settled; of nothing, only gives the key free. */
  leave(): Promise<void>
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
export async function leaseStream(
  c: EdgeContext,
  idempotency: Idempotency,
  now: () => number,
): Promise<StreamLease> {
  const header = c.req.raw.headers.get('idempotency-key')
  const tally = emptyTally()
  if (header === null) return unleased(tally)
  const key = readIdempotencyKey(header)
  c.set('idempotencyKey', key)
  const fingerprint = c.get('historical') ? 'ndjson historical' : 'ndjson'
  const found = await idempotency.claim({ tenant: c.get('key').tenant, key, fingerprint }, now())
  Object.assign(c.get('headers'), degradedHeaders(found))
  if (found.is === 'other-body') throw new Refused('IDEMPOTENCY_KEY_REUSED')
  if (found.is === 'in-flight') throw inFlight(found)
  const said = found.is === 'done' ? found.said : found.kept
  const stored = said && (JSON.parse(said.body) as Stored)
  const lease = found.is === 'ours' ? found : undefined
  return leased(stored, lease, now)
}

function unleased(tally: Tally): StreamLease {
  const nothing = async () => {}
  return {
    tally,
    settledBefore: 0,
    pass: nothing,
    compare: nothing,
    tick: nothing,
    finish: nothing,
    leave: nothing,
  }
}

function leased(
  stored: Stored | undefined,
  lease: Lease | undefined,
  now: () => number,
): StreamLease {
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
    settledBefore: stored?.answer === undefined ? before : Number.POSITIVE_INFINITY,
    done: stored?.answer,
    pass: (lines) => digest.add(lines),
    async compare() {
      if ((await digest.value()) !== stored?.digest)
        throw new Refused('IDEMPOTENCY_KEY_REUSED', {
          detail:
            'This Idempotency-Key was used before with other lines. To go on with the rest of a stream alone, send it with another one.',
        })
    },
    async tick() {
      if (now() - renewed < RENEW_MS) return
      renewed = now()
      await lease?.renew(renewed)
    },
    async finish(answer) {
      await lease?.finish(await store({ answer }), now())
    },
    async leave() {
      if (tally.accepted > 0 && tally.lines > before)
        await lease?.keep(await store({ tally }), now())
      else await lease?.release()
    },
  }
}
