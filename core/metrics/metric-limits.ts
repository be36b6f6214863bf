/** Limits of declared metrics. */
export const METRIC_LIMITS = {
  metricsPerTenantMax: 50,
  versionsMax: 1_000,
  eventsMax: 100,
  filtersMax: 8,
  filterValuesMax: 100,
  filterValueCharsMax: 1_024,
  dimensionsMax: 4,
  /** As of queries (core/queries/limits.ts). */
  dimensionCharsMax: 256,
  dimensionValueCharsMax: 256,
  /** Combinations of dimension values that are counted on one day by a metric; the others are counted as `(other)`. */
  seriesMax: 1_000,
  /** A combination without an event for so long leaves its place to another one. */
  seriesUnusedDays: 30,
  /** Of one statement of the backfill; a day that takes longer is cut into parts. */
  backfillStatementMs: 10_000,
  /** Rows of one part of a day that are held in memory. */
  backfillRowsMax: 50_000,
  backfillPollMs: 2_000,
  /** For so long a metric is left out after a part of it failed, in the process that tried. */
  backfillFailedMs: 600_000,
  /** How long activation waits for batches under way, while others wait behind it. */
  activationLockMs: 2_000,
  /** Between two attempts batches have as long for themselves. */
  activationAttempts: 3,
  /** Versions that are activated and metrics that are retired, of a tenant. */
  changesPerMinuteMax: 10,
  /** Of a tenant, behind the one under way. */
  changesQueuedMax: 5,
  changeQueueMs: 10_000,
  /** Rows of retired versions are deleted that long after. */
  retiredMs: 3_600_000,
} as const
