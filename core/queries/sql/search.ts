import { type RawBuilder, sql } from 'kysely'
import { badInput } from '../../lib/api-error.ts'
import { checkText } from '../../lib/check-text.ts'
import { QUERY_LIMITS } from '../limits.ts'

/** A part of a text, in any case, for type-ahead. Not LIKE: no character of it means anything but itself. */
export interface Search {
  /** Whether a text contains it; without a search every text does, and no NULL with one. */
  matches(text: RawBuilder<unknown>): RawBuilder<boolean>
  /** Sorts first what begins with it. */
  order(text: RawBuilder<unknown>): RawBuilder<unknown>
}

/** @param search null or empty: everything is found */
export function searchOf(search: string | null | undefined): Search {
  if (!search) return { matches: () => sql`true`, order: () => sql`(SELECT false)` }
  checkText('search', search, QUERY_LIMITS.dimensionValueCharsMax)
  // Postgres changes the case of both: JavaScript knows other letters than a collation.
  const at = (text: RawBuilder<unknown>) => sql`strpos(lower(${text}), lower(${search}::text))`
  return {
    matches: (text) => sql`coalesce(${at(text)} > 0, false)`,
    order: (text) => sql`coalesce(${at(text)}, 0) <> 1`,
  }
}

/** @throws BAD_USER_INPUT that names the argument `limit` */
export function checkLimit(limit: number | null | undefined): number {
  const { listDefault, listMax } = QUERY_LIMITS
  const checked = limit ?? listDefault
  if (checked < 1 || checked > listMax) throw badInput('limit', `must be 1 to ${listMax}`)
  return checked
}
