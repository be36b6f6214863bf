import type { LogBatch } from '../../log/log.ts'
import { classifyFailure, type Failure } from '../consume/failure.ts'
import { type Decoded, offsetKey, recordOf } from '../decode/decoded.ts'

/**
 * A poison record is one that Postgres refuses, so that its whole batch rolls back. It must neither stop its
 * partition nor be lost: it becomes a dead letter. The states of a record, as the worker and a replay see it:
 *
 *            the batch failed, and a row may be at fault
 *   unknown ─────────────────────────────────────────────▶ suspected: tried in halves, then alone,
 *     ▲  ▲                                                     │          up to the commit, nothing kept
 *     │  └────────────── written alone ◀───────────────────────┤
 *     │                                                        │ refused alone
 *     │                                                        ▼
 *     │                                     poisoned: the next attempt decodes it as a dead letter
 *     │                                     (UNSTORABLE, with what the record says of itself)
 *     │                                                        │ refused again, as a dead letter
 *     │                                                        ▼
 *     │                                     poisoned, bare: the next attempt decodes it as a dead letter
 *     │                                     that holds nothing of the record but its bytes
 *     │                                                        │
 *     └──── the batch is committed: nothing is remembered ◀────┘ (from either state)
 *
 * The states are kept in memory alone: after a crash the batch fails again, and the search finds the same records.
 */
export interface PoisonRecords {
  /** What `decodeBatch` needs to know. */
  readonly reasons: PoisonReasons
  /**
   * After a failed write: finds the poison records of the batch and remembers them for the next attempt. Does nothing
   * where the failure cannot be a row's fault.
   * @param attempt tries to write some of the records and keeps nothing
   * @param suspectUnknown whether an unknown error, or a key that is there already, may be a row's fault too
   * @throws what was met where it is no record's fault
   */
  find(
    decoded: readonly Decoded[],
    cause: unknown,
    attempt: (some: readonly Decoded[]) => Promise<void>,
    suspectUnknown: boolean,
  ): Promise<void>
  /** After a commit: nothing of the batch needs to be remembered. */
  forget(batch: LogBatch): void
}

/** Why a record is poison. */
export interface PoisonReason {
  detail: string
  /** It was refused as a dead letter with what it says of itself, too. */
  bare: boolean
}

/** By `offsetKey`. */
export type PoisonReasons = ReadonlyMap<string, PoisonReason>

export function createPoisonRecords(): PoisonRecords {
  const reasons = new Map<string, PoisonReason>()
  return {
    reasons,
    async find(decoded, cause, attempt, suspectUnknown) {
      const failure = classifyFailure(cause)
      const suspected = failure === 'row' || (failure === 'unknown' && suspectUnknown)
      // The next attempt sees what another writer has committed; where it fails once more, no writer is the reason.
      const collides = isDuplicate(cause) && suspectUnknown
      if (!suspected && !collides) return
      const poison = collides
        ? await findCollidingRecords(decoded, attempt)
        : await bisectPoisonRecords(decoded, attempt)
      for (const { decoded, detail } of poison)
        reasons.set(offsetKey(recordOf(decoded)), { detail, bare: decoded.kind === 'dead-letter' })
      if (poison.length === 0 && failure === 'row')
        throw new Error(
          'Postgres refuses the batch, but none of its records alone; the partition waits and retries',
          { cause },
        )
    },
    forget(batch) {
      if (reasons.size === 0) return
      for (const run of batch.partitions)
        for (const record of run.records) reasons.delete(offsetKey(record))
    },
  }
}

/** A record that cannot be written, and why. */
export interface PoisonRecord {
  decoded: Decoded
  detail: string
}

interface Suspect extends PoisonRecord {
  /** Its error says by itself that a row is at fault. */
  certain: boolean
  tooLarge: boolean
}

/** So many unknown errors, while no record could be written: then the records are not at fault. */
const UNKNOWN_ERRORS_MAX = 32

/** Of a row whose index entry is too large; and of every row, when the server runs out of transaction ids. */
const PROGRAM_LIMIT_EXCEEDED = '54000'

/**
 * Which of these records cannot be written alone, found by trying them in halves. What is tried is the whole write up
 * to its commit, dead letters and rollups too.
 *
 * An error that says by itself that a row is at fault is believed. Any other one counts against an event only while other
 * events can be written, and when it comes twice, and once more after all others were tried: a table that lost a column,
 * or a failure that ends in between, must not make dead letters of everybody's events. Where nothing at all can be
 * written no event waits behind another, and all of them may wait.
 *
 * @param attempt tries to write these and keeps nothing
 * @throws what was met where it is no record's fault
 */
export async function bisectPoisonRecords(
  decoded: readonly Decoded[],
  attempt: (some: readonly Decoded[]) => Promise<void>,
): Promise<PoisonRecord[]> {
  const suspects: Suspect[] = []
  let eventWritten = false
  await search(decoded)
  const poison: PoisonRecord[] = []
  for (const { decoded, detail, certain, tooLarge } of suspects) {
    const counts = eventWritten || (decoded.kind === 'dead-letter' && !tooLarge)
    if (certain || (counts && (await failsAgain(decoded)))) poison.push({ decoded, detail })
  }
  return poison

  async function search(some: readonly Decoded[]): Promise<void> {
    const error = await rowErrorOf(attempt, some)
    if (error === undefined) {
      if (some.some(({ kind }) => kind === 'event')) eventWritten = true
      return
    }
    if (some.length > 1) {
      const middle = some.length >> 1
      await search(some.slice(0, middle))
      await search(some.slice(middle))
      return
    }
    await suspect(some[0] as Decoded, error)
  }

  async function suspect(decoded: Decoded, error: PostgresError): Promise<void> {
    const { code } = error
    const tooLarge = code === PROGRAM_LIMIT_EXCEEDED
    const certain = classifyFailure(error) === 'row' && !tooLarge
    if (isDuplicate(error) || !(certain || (await failsAgain(decoded)))) return
    const detail =
      code === undefined ? String(error) : `Postgres refused it: ${code} ${error.message}`
    suspects.push({ decoded, detail, certain, tooLarge })
    if (
      !eventWritten &&
      suspects.length >= UNKNOWN_ERRORS_MAX &&
      !suspects.some(({ certain }) => certain)
    )
      throw new Error(`none of the records can be written: ${detail}`, { cause: error })
  }

  async function failsAgain(decoded: Decoded): Promise<boolean> {
    const error = await rowErrorOf(attempt, [decoded])
    return error !== undefined && !isDuplicate(error)
  }
}

/** One search finds so many; each of them costs some fifteen attempts. */
const COLLISIONS_MAX = 16

/**
 * The records whose key is there already although the look-up does not find it, in the table or earlier in the batch.
 * Alone each of them can be written, perhaps, so not halves are tried but beginnings of the batch: the last record of
 * the shortest one that fails is at fault.
 */
async function findCollidingRecords(
  decoded: readonly Decoded[],
  attempt: (some: readonly Decoded[]) => Promise<void>,
): Promise<PoisonRecord[]> {
  const poison: PoisonRecord[] = []
  let rest = decoded
  for (let searches = 0; searches < COLLISIONS_MAX; searches++) {
    if (!isDuplicate(await rowErrorOf(attempt, rest))) break
    let [written, fails] = [0, rest.length]
    while (fails - written > 1) {
      const middle = (written + fails) >> 1
      if (await rowErrorOf(attempt, rest.slice(0, middle))) fails = middle
      else written = middle
    }
    // Another writer of the same key may have committed meanwhile; then it is an ordinary duplicate.
    const error = await rowErrorOf(attempt, rest.slice(0, fails))
    if (error === undefined || !isDuplicate(error)) continue
    const detail = `Postgres refused it: ${error.code} ${error.message}`
    poison.push({ decoded: rest[fails - 1] as Decoded, detail })
    rest = rest.toSpliced(fails - 1, 1)
  }
  return poison
}

type PostgresError = Error & { code?: string }

/**
 * @returns the error of an attempt, where a row may be at fault; undefined when it succeeds
 * @throws any other error
 */
async function rowErrorOf(
  attempt: (some: readonly Decoded[]) => Promise<void>,
  some: readonly Decoded[],
): Promise<PostgresError | undefined> {
  try {
    await attempt(some)
    return undefined
  } catch (error) {
    if (!MAYBE_A_ROW.includes(classifyFailure(error)) && !isDuplicate(error)) throw error
    return error as PostgresError
  }
}

const MAYBE_A_ROW: readonly Failure[] = ['row', 'unknown']

/** A key that is stored already says nothing about the record. */
function isDuplicate(error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === '23505'
}
