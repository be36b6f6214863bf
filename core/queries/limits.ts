/** Limits of queries. */
export const QUERY_LIMITS = {
  bodyBytesMax: 256 * 1024,
  /** Of a request's whole document, before it is validated; fields count with every fragment written out. */
  tokensMax: 2_000,
  fieldsMax: 500,
  aliasCharsMax: 128,
  aliasesMax: 100,
  schemasMax: 1,
  typesMax: 10,
  depthMax: 8,
  breadthMax: 200,
  /** A metrics field of five columns costs 75, a full page of whole events 1,800. */
  complexityMax: 3_000,
  /** What Pothos multiplies the columns of `metrics` with, at least; one more for each so many points. */
  pointsPerComplexity: 200,
  /** Points of all `metrics` of one request together. */
  pointsMax: 20_000,
  responseBytesMax: 8 * 1024 * 1024,

  /** Connections of all queries; one of them is kept for the operator's sessions. */
  connectionsMax: 10,
  /** Of them for one tenant's keys, or for all sessions; a tenant gets at most half of those that others leave free. */
  concurrentQueriesMax: 5,
  /** Statement time of one tenant in a minute, that of parallel statements added; beyond it they run one after the other. */
  statementMsPerMinuteMax: 90_000,
  queuedQueriesMax: 2_000,
  queueMsMax: 10_000,
  /** Connections for people, sessions, invitations and changes of keys; of them for one person, who may have so many wait. */
  peopleConnectionsMax: 3,
  peopleConcurrentMax: 2,
  peopleQueuedMax: 100,

  /** Buckets between startTime and endTime, without and with groupBy. */
  bucketsMax: 10_000,
  bucketsGroupedMax: 1_000,
  /** Single events that one query may read. Each takes 0.8 to 2 µs, so more would not be read in ten seconds. */
  rawEventsMax: 10_000_000,
  /** Sketches that one query may merge: about a tenth of a second of this process' time. */
  sketchBytesMax: 16 * 1024 * 1024,
  /** A query that Postgres stopped twice is refused for so long without another try. */
  refusedMs: 30_000,
  /** Remembered, in all and of one tenant. */
  slowQueriesMax: 1_000,
  slowQueriesPerTenantMax: 50,
  /** Minutes are counted from single events. */
  minuteRangeHoursMax: 6,
  /** The largest groups are listed; the others are counted as `(other)`. */
  groupsMax: 100,
  groupByMax: 4,
  filtersMax: 8,
  filterValuesMax: 100,
  dimensionCharsMax: 256,
  /** Longer values of a dimension are truncated, and those with the same prefix counted together. */
  dimensionValueCharsMax: 256,
  namesMax: 100,

  /** Single events that a funnel or a retention may sort by actor, which costs more than to count them. */
  funnelEventsMax: 2_000_000,
  funnelStepsMax: 10,
  funnelWindowSecondsDefault: 7 * 86_400,
  funnelWindowSecondsMax: 90 * 86_400,
  /** Days or weeks of a retention. */
  retentionPeriodsMax: 100,

  /** Event names, values of a dimension and paths of properties that one query lists. */
  listDefault: 10,
  listMax: 100,
  pathsMax: 200,
  /** Newest events that properties are looked for in, and what they hold together; deeper objects are not looked into. */
  sampleEventsMax: 500,
  sampleBytesMax: 4 * 1024 * 1024,
  sampleDepthMax: 5,

  /** How long a result may be cached: while events of its range may still arrive; by 15 minutes, hour or total; by longer intervals. */
  cacheOpenMs: 5_000,
  cacheHourlyMs: 5 * 60_000,
  cacheDailyMs: 3_600_000,
  /**
   * A result from single events whose statements took longer is cached for a multiple of that time, also while events
   * of its range are stored: a connection spends at most one part in so many on it.
   */
  cacheCostMsMin: 250,
  cacheCostMultiple: 20,
  cacheCostlyMsMax: 60_000,
  /** All cached results together, and the longest of them. */
  cacheBytesMax: 16 * 1024 * 1024,
  cacheInRedisBytesMax: 64 * 1024 * 1024,
  cachedResultBytesMax: 1024 * 1024,
  /** A query waits no longer for the cache in Redis. */
  cacheMsMax: 50,

  /** Of results that REST formats for one tenant's keys, or for all sessions: a second of it holds the event loop for 160 ms. */
  restCharsPerSecond: 8 * 1024 * 1024,
  restCharsMax: 32 * 1024 * 1024,
  /** Events of one CSV or NDJSON response of several pages, and how long it may take. */
  restStreamEventsMax: 50_000,
  restStreamMsMax: 120_000,
  /** Such responses at once, each with a page in memory: of all, and of one tenant's keys or all sessions. */
  restStreamsMax: 16,
  restStreamsPerClientMax: 4,

  /** Events of one Idempotency-Key that can be listed. */
  keyedEventsMax: 20_000,
  eventsPageDefault: 20,
  eventsPageMax: 100,
  /** Each holds up to 64 KiB of what was received. */
  deadLettersPageMax: 20,
  auditPageDefault: 50,
  auditPageMax: 200,
  apiKeysListedMax: 1_000,
  tenantsListedMax: 1_000,
} as const

/** Limits of the live subscription. */
export const LIVE_LIMITS = {
  /** A tenant's numbers are read at most this often, however many clients watch and however many events arrive. */
  refreshMinMs: 500,
  /** And at least this often, in case a notification was lost. */
  refreshMaxMs: 1_000,
  refreshDeadlineMs: 3_000,
  /** How often a subscriber's rights are checked again: what was taken away ends a stream within half a minute. */
  recheckMs: 15_000,
  /** All subscriptions; those of all keys and members together leave the rest to the operator. */
  subscribersMax: 1_000,
  subscribersOfOthersMax: 950,
  /** Of the keys and people of one tenant, of one person, who leaves half of it to others, and of one key or session. */
  subscribersPerTenantMax: 50,
  subscribersPerPersonMax: 25,
  subscribersPerCredentialMax: 20,
  recentMax: 50,
  recentFirst: 20,
  minutes: 60,
  /** Above this, the events of the last minute are estimated from the counts per minute. */
  exactCountMax: 20_000,
  seenMax: 1_000,
  lagSamplesMax: 1_200,
  /** A worker without a heartbeat for longer is taken for dead. */
  heartbeatAgeMs: 10_000,
} as const
