/** Of canaries and of the objective that they measure. */
export interface CanarySettings {
  /** Between two canaries of an edge. 0: none are sent. */
  intervalMs: number
  /** Where they are sent, as origins; empty: they are appended to the log. At most CANARY_EDGES_MAX. */
  edges: readonly string[]
  /** An event should be visible within so many seconds … */
  targetSeconds: number
  /** … in so many of a hundred cases, over 30 days. Below 100. */
  objectivePercent: number
  /** How long a canary may take until it counts as failed; ten seconds unless set. */
  visibleMsMax?: number
}

export const CANARY_EDGES_MAX = 8
