import type { Decoded } from './decode.ts'
import { classify } from './failure.ts'

/** A record that could not be written, and what was said about it. */
export interface Refused {
  each: Decoded
  why: string
}

/** Errors that nobody has met, about records of which none could be written: then it is not the records. */
const STRANGE_MAX = 32

/**
 * Which of these records cannot be written, alone, by trying them in halves: so that no record ever stops a lane. What is
 * tried is the whole write up to its commit, dead letters and rollups too.
 *
 * An error that says by itself that a row is at fault is believed. Any other one counts against an event only while other
 * events can be written, and when it comes twice: a table that lost a column must not make dead letters of everybody's
 * events. Where all that there is cannot be written nobody's event waits behind it, and it may wait too.
 *
 * @param attempt tries to write these and keeps nothing
 * @throws what was met where it is no record's fault
 */
export async function findRefused(
  decoded: readonly Decoded[],
  attempt: (some: readonly Decoded[]) => Promise<void>,
): Promise<Refused[]> {
  const found: (Refused & { sure: boolean })[] = []
  let writable = false
  await search(decoded)
  return found.filter(({ each, sure }) => sure || writable || each.is === 'dead')

  async function search(some: readonly Decoded[]): Promise<void> {
    const error = await failureOf(some)
    if (error === undefined) {
      if (some.some(({ is }) => is === 'event')) writable = true
      return
    }
    const { code } = error
    const means = classify(error)
    // A key that is stored already says nothing about the record.
    if (code !== '23505' && means !== 'row' && means !== 'unknown') throw error
    if (some.length > 1) {
      const middle = some.length >> 1
      await search(some.slice(0, middle))
      await search(some.slice(middle))
      return
    }
    if (code === '23505' || (means === 'unknown' && (await failureOf(some)) === undefined)) return
    const why = code === undefined ? String(error) : `Postgres refused it: ${code} ${error.message}`
    found.push({ each: some[0] as Decoded, why, sure: means === 'row' })
    if (!writable && found.length >= STRANGE_MAX && !found.some(({ sure }) => sure)) throw error
  }

  async function failureOf(some: readonly Decoded[]) {
    try {
      await attempt(some)
      return undefined
    } catch (error) {
      return error as Error & { code?: string }
    }
  }
}
