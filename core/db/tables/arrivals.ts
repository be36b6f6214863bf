/** How an event came, as `event.arrival` has it; NULL: in time. */
export const ARRIVALS = {
  /** After its bucket may have been called final. */
  late: 'l',
  /** A historical import. */
  import: 'i',
  /** By a replay, whatever it was before. */
  replay: 'r',
  /** The default of the column: stored by a version that did not record it. */
  unrecorded: 'u',
} as const
