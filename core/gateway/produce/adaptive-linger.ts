/** So many requests within the linger are worth waiting for. */
const DENSE_REQUESTS = 3
/** A sender that waits for each response never overlaps itself; a few percent are chance. */
const OVERLAP_MIN = 0.1
/** Averages move over the last ten requests or so. */
const WEIGHT = 0.1

/**
 * Tells dense traffic, in which a request that lingers a little shares its append with others, from one sender that
 * sends the next request after the last response and would only be slowed down.
 * @returns to be called at every request, with whether another request waits already; says whether to linger
 */
export function createShouldLinger(lingerMs: number): (overlaps: boolean) => boolean {
  const denseGapMs = lingerMs / DENSE_REQUESTS
  // One pause counts once, however long it was.
  const pauseMs = 10 * denseGapMs
  let last = Number.NEGATIVE_INFINITY
  let gap = pauseMs
  let overlap = 0
  return function shouldLinger(overlaps) {
    const now = performance.now()
    gap += WEIGHT * (Math.min(now - last, pauseMs) - gap)
    overlap += WEIGHT * ((overlaps ? 1 : 0) - overlap)
    last = now
    return gap < denseGapMs && overlap > OVERLAP_MIN
  }
}
