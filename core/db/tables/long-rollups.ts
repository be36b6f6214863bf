import type { SketchMinutes } from './sketches.ts'

/** How long the buckets of `rollup_long` are, in minutes: those of sketches that are longer than 15. */
export const LONG_MINUTES = [60, 240, 1440] as const satisfies readonly SketchMinutes[]

/** Event names, in place of a metric. */
export const NAMES_METRIC = 0

/** All series of a metric, or all names, together. */
export const TOTAL_SERIES = 0

/**
 * SQL, of a row of `rollup_long_revision` or `sketch_revision`: Postgres' clock was set back since it was written, so
 * what is revised now may have marks below `checked_to`.
 */
export const CLOCK_WAS_SET_BACK =
  'coalesce(greatest(checked_to, pending_at) > clock_timestamp(), false)'
