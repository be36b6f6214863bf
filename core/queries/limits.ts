/** Bounds of what may be asked. */
export const QUERY_LIMITS = {
  /** Operations in one HTTP request. */
  batchOperationsMax: 10,
  bodyBytesMax: 256 * 1024,
  depthMax: 8,
  breadthMax: 200,
  /** A metrics field of five columns costs 75, a full page of whole events 1,800. */
  complexityMax: 3_000,

  /** Statements of one tenant's keys, or of all who are signed in, that Postgres works on at once, of the ten connections there are. */
  concurrentQueriesMax: 5,
  queuedQueriesMax: 2_000,
  queueMsMax: 10_000,

  /** Buckets between startTime and endTime, without and with groupBy. */
  bucketsMax: 10_000,
  bucketsGroupedMax: 1_000,
  /** Groups by count; the rest is `(other)`. */
  groupsMax: 100,
  groupByMax: 4,
  filtersMax: 8,
  filterValuesMax: 100,
  dimensionCharsMax: 256,
  /** Longer values of a dimension are cut, and those with the same beginning counted together. */
  dimensionValueCharsMax: 256,
  textCharsMax: 1_024,
  namesMax: 100,

  /** How long an answer may be given again: while something in it may still come, by the hour, and by longer intervals. */
  cacheOpenMs: 5_000,
  cacheHourlyMs: 5 * 60_000,
  cacheDailyMs: 3_600_000,
  /** All kept answers together, and the longest of them. */
  cacheBytesMax: 16 * 1024 * 1024,
  cacheInRedisBytesMax: 64 * 1024 * 1024,
  cachedResultBytesMax: 1024 * 1024,
  /** Longer a question does not wait for the cache in Redis. */
  cacheMsMax: 50,

  eventsPageDefault: 20,
  eventsPageMax: 100,
  tenantsListedMax: 1_000,
} as const
