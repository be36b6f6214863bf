/** Bounds of the live subscription. */
export const LIVE_LIMITS = {
  /** A tenant's numbers are read at most this often, however many watch and however much comes in. */
  refreshMinMs: 500,
  /** And at least this often, in case a notification was lost. */
  refreshMaxMs: 1_000,
  refreshDeadlineMs: 3_000,
  /** Whether a subscriber still may watch is asked again this often. */
  recheckMs: 30_000,
  subscribersMax: 1_000,
  recentMax: 50,
  recentFirst: 20,
  minutes: 60,
  /** Above this the events of the last minute are estimated from counts by the minute. */
  exactCountMax: 20_000,
  seenMax: 1_000,
  lagSamplesMax: 1_200,
  /** A worker that has not said that it lives for so long is taken for dead. */
  heartbeatAgeMs: 10_000,
  reconnectMsMax: 5_000,
} as const
