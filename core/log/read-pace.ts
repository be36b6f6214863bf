/** Up to this many records a millisecond the interval is the shortest, from DENSE_RECORDS_PER_MS on the longest. */
const THIN_RECORDS_PER_MS = 0.4
const DENSE_RECORDS_PER_MS = 1
/** Averages move over the last five batches or so. */
const WEIGHT = 0.2

/** How long a reader waits between batches while there is no more to read. */
export interface ReadPace {
  /** From the start of one batch to the start of the next, in ms. */
  intervalMs(): number
  /** Called with the size of every batch, when it is handed over. */
  onBatch(recordCount: number): void
}

/**
 * Each batch is a commit, and costs a few milliseconds of CPU whatever is in it. In thin traffic that costs little
 * in all, and a record is readable soon; in dense traffic fewer and larger batches leave the CPU to others.
 * @returns a pace that moves from `minMs` to `maxMs` with the number of records a second
 */
export function createReadPace(minMs: number, maxMs = minMs): ReadPace {
  let last = performance.now()
  let recordsPerMs = 0
  return {
    intervalMs() {
      const beyondThin =
        (recordsPerMs - THIN_RECORDS_PER_MS) / (DENSE_RECORDS_PER_MS - THIN_RECORDS_PER_MS)
      return minMs + (maxMs - minMs) * Math.max(0, Math.min(1, beyondThin))
    },
    onBatch(recordCount) {
      const now = performance.now()
      recordsPerMs += WEIGHT * (recordCount / Math.max(1, now - last) - recordsPerMs)
      last = now
    },
  }
}
