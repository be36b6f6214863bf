import { BIN_OFFSET, LN_GAMMA } from '../../lib/sketches/ddsketch.ts'

/**
 * How long the buckets of sketches are, in minutes; each is merged from the next shorter ones. 15 minutes, because every
 * time zone in use is a multiple; days, so that a month takes 30 rows; between them what keeps a day of any zone below
 * thirty rows. All are counted from 1970-01-01, UTC.
 */
export const SKETCH_MINUTES = [15, 60, 240, 1440] as const
export type SketchMinutes = (typeof SKETCH_MINUTES)[number]

/** All names of a tenant together, in place of a series. */
export const ALL_SERIES = 0

/**
 * The hash of a member as SQL, a bigint; NULL for NULL. As `hashOf` of core/lib/sketches.
 * @param text as SQL
 */
export function hashSql(text: string): string {
  return `('x' || encode(substring(sha256(convert_to(${text}, 'UTF8')) FROM 1 FOR 8), 'hex'))::bit(64)::bigint`
}

/** The halves of a hash as SQL, both int. */
export const HIGH_SQL = (hash: string) => `(${hash} >> 32)::int`
export const LOW_SQL = (hash: string) => `((${hash} << 32) >> 32)::int`

/**
 * The bin of a number as SQL, an int. As `binOf` of core/lib/sketches, but for numbers at the very edge of a bin, which
 * are as near to the middle of either neighbour.
 * @param value as SQL
 */
export function binSql(value: string): string {
  return `(CASE WHEN ${value} = 0 THEN 0 ELSE sign(${value}) * (ceil(ln(abs(${value})) / ${LN_GAMMA}) + ${BIN_OFFSET}) END)::int`
}
