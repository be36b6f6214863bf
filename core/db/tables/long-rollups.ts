import type { SketchMinutes } from './sketches.ts'

/** How long the buckets of `rollup_long` are, in minutes: those of sketches that are longer than 15. */
export const LONG_MINUTES = [60, 240, 1440] as const satisfies readonly SketchMinutes[]

/** Event names, in place of a metric. */
export const NAMES_METRIC = 0

/** All series of a metric, or all names, together. */
export const TOTAL_SERIES = 0
