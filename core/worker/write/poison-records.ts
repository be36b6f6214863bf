import { classify } from '../consume/failure.ts'
import type { Decoded } from '../decode/decode.ts'

/** A record that could not be written, and what was said about it. */
export interface Refused {
  each: Decoded
  why: string
}

/** Errors that nobody has met, about records of which none could be written: then it is not the records. */
const STRANGE_MAX = 32

/** Of a row, whose index entry is too large; and of everybody's, when the server runs out of transaction ids. */
const TOO_MUCH = '54000'

/**
 * Which of these records cannot be written, alone, by trying them in halves: so that no record ever stops a lane. What is
 * tried is the whole write up to its commit, dead letters and rollups too.
 *
 * An error that says by itself that a row is at fault is believed. Any other one counts against an event only while other
 * events can be written, and when it comes twice, and once more after all others were tried: a table that lost a column,
 * or trouble that ends in between, must not make dead letters of everybody's events. Where all that there is cannot be
 * written nobody's event waits behind it, and it may wait too.
 *
 * @param attempt tries to write these and keeps nothing
 * @throws what was met where it is no record's fault
 */
export async function findRefused(
  decoded: readonly Decoded[],
  attempt: (some: readonly Decoded[]) => Promise<void>,
): Promise<Refused[]> {
  const found: (Refused & { sure: boolean; tooMuch: boolean })[] = []
  let writable = false
  await search(decoded)
  const refused: Refused[] = []
  for (const { each, why, sure, tooMuch } of found) {
    const counts = writable || (each.is === 'dead' && !tooMuch)
    if (sure || (counts && (await failsStill(each)))) refused.push({ each, why })
  }
  return refused

  async function search(some: readonly Decoded[]): Promise<void> {
    const error = await failureOf(some)
    if (error === undefined) {
      if (some.some(({ is }) => is === 'event')) writable = true
      return
    }
    const { code } = error
    const tooMuch = code === TOO_MUCH
    const sure = classify(error) === 'row' && !tooMuch
    if (some.length > 1) {
      const middle = some.length >> 1
      await search(some.slice(0, middle))
      await search(some.slice(middle))
      return
    }
    const each = some[0] as Decoded
    if (isDuplicate(error) || !(sure || (await failsStill(each)))) return
    const why = code === undefined ? String(error) : `Postgres refused it: ${code} ${error.message}`
    found.push({ each, why, sure, tooMuch })
    if (!writable && found.length >= STRANGE_MAX && !found.some(({ sure }) => sure))
      throw new Error(`none of the records can be written: ${why}`, { cause: error })
  }

  async function failsStill(each: Decoded): Promise<boolean> {
    const error = await failureOf([each])
    return error !== undefined && !isDuplicate(error)
  }

  /** @throws what is no record's fault */
  async function failureOf(some: readonly Decoded[]) {
    try {
      await attempt(some)
      return undefined
    } catch (error) {
      const means = classify(error)
      if (means !== 'row' && means !== 'unknown' && !isDuplicate(error)) throw error
      return error as Error & { code?: string }
    }
  }
}

/** A key that is stored already says nothing about the record. */
function isDuplicate(error: unknown): boolean {
  return (error as { code?: unknown }).code === '23505'
}
