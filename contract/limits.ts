/** Every limit, with its unit in the name. limits.test.ts holds the relations between them. */
export const LIMITS = {
  // The event
  eventIdCharsMax: 128,
  eventNameCharsMax: 255,
  /** actor, session, source */
  labelCharsMax: 255,
  schemaVersionCharsMax: 64,
  /** A sum of 1e18 such values still fits a double, so no rollup can overflow. */
  valueMax: 1e290,
  propertiesDepthMax: 32,
  propertiesKeysMax: 1_000,
  propertyKeyCharsMax: 256,
  /** The canonical event as UTF-8 JSON. */
  eventBytesMax: 64 * 1024,
  futureSecondsMax: 5 * 60,
  /** Difference between `sent_at` and the time received that counts as clock skew: less is network delay, more is not a clock error. */
  clockSkewMsMin: 30_000,
  clockSkewMsMax: 48 * 3_600_000,

  // A request
  batchEventsMax: 1_000,
  /** Decoded body. */
  bodyBytesMax: 1024 * 1024,
  bodyReadMsMax: 10_000,
  /** A decoded NDJSON stream; SLUICE_NDJSON_BYTES_MAX overrides it. */
  ndjsonBytesMax: 64 * 1024 * 1024,
  /** White space and escapes make an event's line longer than the event. */
  ndjsonLineBytesMax: 128 * 1024,
  /** Lines of a stream that are validated and published together. */
  ndjsonBatchLinesMax: 1_000,
  /** In characters; one further line may exceed it. */
  ndjsonBatchCharsMax: 256 * 1024,
  /** How long a line waits for others to be published with. */
  ndjsonLingerMs: 1_000,
  /** A compressed body that expands by more, to over bodyBytesMax, is rejected as a decompression bomb. */
  inflateRatioMax: 200,
  /** The least that a stream brings in bodyReadMsMax, newlines and blanks not counted: less only holds a connection. */
  ndjsonBytesPerReadMin: 8,
  /** A stream ends after this, whatever it still brings. */
  ndjsonStreamMsMax: 3_600_000,
  ndjsonStreamsPerKeyMax: 8,
  /** Decoded bodies that one edge process holds at a time, and of these the shares of one key and one tenant. */
  edgeBytesInFlightMax: 3 * 1024 * 1024,
  edgeBytesPerKeyMax: 1.5 * 1024 * 1024,
  edgeBytesPerTenantMax: 2.25 * 1024 * 1024,
  /** Bodies whose key is still looked up, beside those, and the share of one address. */
  edgeBytesUnauthenticatedMax: 2 * 1024 * 1024,
  edgeBytesPerAddressMax: 1024 * 1024,
  /** Bodies of known keys that are still arriving, beside both, and the shares of one key and one tenant. */
  edgeBytesReadingMax: 12 * 1024 * 1024,
  edgeBytesReadingPerKeyMax: 2 * 1024 * 1024,
  edgeBytesReadingPerTenantMax: 4 * 1024 * 1024,
  /** The same of bodies that carry their key themselves, beside all these; an address has edgeBytesPerAddressMax of it. */
  edgeBytesReadingUnknownMax: 4 * 1024 * 1024,
  /** Connections of one process of the edge on Node and of the collector, and unanswered requests on one of them. */
  edgeConnectionsMax: 10_000,
  edgePipelinedRequestsMax: 32,
  /** After it such a connection is closed, if its client neither sends nor reads. */
  edgeSilenceMsMax: 75_000,
  /** Large responses that clients have not read yet, all together; beyond it the oldest are given up. And each after its time. */
  edgeUnreadBytesMax: 32 * 1024 * 1024,
  edgeUnreadMsMax: 30_000,
  /** What a client may still send of a body whose request has its response. */
  edgeDiscardedBytesMax: 8 * 1024 * 1024,
  idempotencyKeyCharsMax: 255,
  requestIdCharsMax: 128,
  /** Errors listed in one response; their total count is reported next to the list. */
  errorsListedMax: 1_000,

  // Keys and rates
  keyEventsPerMinuteDefault: 100,
  tenantEventsPerMinuteDefault: 300,
  keyCacheEntriesMax: 10_000,
  keyCacheFreshMs: 15_000,
  keyCacheUnknownMs: 10_000,
  /** How much longer a cached key is accepted while the directory is unavailable; fresh, stale and a look-up together stay below the 60 s within which a revocation takes effect. */
  keyCacheStaleMs: 40_000,
  keyLookupMsMax: 1_000,
  /** How often core publishes changed keys, in addition to notifications, and how often all of them. */
  keyPublishMs: 5_000,
  keyPublishAllMs: 3_600_000,
  /** After more changes than this at one time, all keys are published instead, and no id of one is held in memory. */
  keyChangesMax: 50_000,
  limiterEntriesMax: 50_000,
  /** Look-ups of well-formed but unknown keys that one client address may cause. */
  unknownKeysPerMinuteMax: 100,
  /** Further look-ups wait for their turn: the time between two of one address, between any two, and how long one waits. */
  lookupOverLimitMs: 100,
  lookupOverLimitAnyMs: 50,
  lookupWaitMsMax: 2_000,
  /** Kinds of denied requests (code, key and address) that an edge counts apart within a minute. */
  deniedKindsMax: 200,
  /** How long usage counts of API keys are kept. */
  keyUseDays: 90,
  schemaVersionsMax: 100,
  /** Names of events, and properties, that a public key may be limited to. */
  keyAllowedEventsMax: 100,
  keyAllowedPropertiesMax: 100,
  /** Sites in SLUICE_SITE_KEYS. */
  siteKeysMax: 1_000,
  idempotencyEntriesMax: 50_000,
  /** All stored responses together, in memory mode. */
  idempotencyBytesMax: 4 * 1024 * 1024,
  idempotencyLeaseMs: 15_000,
  idempotencyResultMs: 30 * 60_000,

  // Publishing
  /** From the first byte sent to the last byte of the response, the one retry included. */
  publishMsMax: 3_000,
  publishRetriesMax: 1,
  retryAfterSecondsWithoutLog: 2,

  // The gateway and the log
  gatewayLingerMs: 5,
  gatewayBatchBytesMax: 1024 * 1024,
  gatewayBatchRecordsMax: 5_000,
  gatewayInFlightMax: 2,
  gatewayQueueBytesMax: 32 * 1024 * 1024,
  gatewayQueueRecordsMax: 100_000,
  /** Request bodies that are being read concurrently. */
  gatewayBodiesBytesMax: 32 * 1024 * 1024,
  /** Below the publisher's deadline, so that the edge receives an error instead of a timeout. */
  gatewayProduceMsMax: 2_500,
  /** Key and value of one record. The largest record of the edge is a dead letter that contains a whole body. */
  recordBytesMax: 4 * 1024 * 1024 - 1024,
  /** Gateway users, each with a password. */
  gatewayUsersMax: 100,
  /** Of an address without right credentials in the last ten minutes. */
  gatewayWrongPasswordsPerMinute: 30,
  gatewayPasswordCharsMin: 24,
  /** Concurrent requests that read, or wait for records to read. */
  gatewayWaitersMax: 64,
  /** How many of them read concurrently: each holds up to two batches of the log. */
  gatewayReadersMax: 4,
  /** How long a reader waits for records by default, and at most. */
  gatewayWaitMsDefault: 1_000,
  gatewayWaitMsMax: 30_000,
  /** Of one response; a single record may exceed it. */
  gatewayReadRecordsMax: 500,
  gatewayReadBytesMax: 1024 * 1024,
  /** Topics and partitions that one request may name. */
  gatewayPartitionsMax: 1_000,
  /** The name of a consumer group or of one of its instances. */
  consumerNameCharsMax: 255,
  consumerGroupsMax: 1_000,
  /** How long the offsets of an unused consumer group are kept, as Kafka does. */
  consumerGroupDays: 7,
  consumerSessionMsDefault: 120_000,
  consumerSessionMsMax: 3_600_000,
  consumerCommitMsDefault: 5_000,
  logAppendRecordsMax: 5_000,
  logAppendMsMax: 2_000,
  logBatchRecordsMax: 5_000,
  logBatchMinIntervalMs: 40,
  logBatchMaxIntervalMs: 160,

  // Redis
  /** How long the edge waits for limiter, lease or key, including a second attempt with the script's source. */
  redisMsMax: 250,
  /** How long no request goes to Redis after a failure; then one request tries. */
  redisPauseMs: 1_000,
  /** In characters. Longer responses are not stored for repeated requests; their events are still counted once. */
  redisResponseCharsMax: 512 * 1024,
  /** Below the edge's deadline, so that the edge receives an error instead of a timeout. */
  redisBridgeMsMax: 200,
  /** A Redis connection that returns nothing for this long while commands are pending is considered dead. */
  redisSilenceMsMax: 2_000,
  redisBodyBytesMax: 2 * 1024 * 1024,
  /** Request bodies that are being read concurrently; separate from those for the log, which must not block Redis. */
  redisBodiesBytesMax: 16 * 1024 * 1024,
  /** One argument of a command: a response in three-byte characters still fits. */
  redisValueBytesMax: 3 * 512 * 1024,
  redisCommandsMax: 1_000,
  redisArgumentsMax: 1_000,
  redisInFlightCommandsMax: 10_000,
  redisInFlightBytesMax: 32 * 1024 * 1024,
  redisScriptBytesMax: 64 * 1024,
  /** Client scripts whose source the bridge caches. */
  redisScriptsMax: 256,

  // The worker
  dedupeDays: 2,
  eventNamesPerTenantMax: 2_000,
  /** A record that was received longer than this before it reached the log is dead-lettered and creates no partition. */
  receivedAgeDaysMax: 30,
  /** No log keeps unread records for longer; a record that claims to be older is dead-lettered too. */
  logAgeDaysMax: 400,
  rawRetentionDaysDefault: 30,
  /** Dead letters and their original bodies; raw retention applies where it is longer. */
  deadLetterDays: 90,
  /** How long outcomes are kept by minute; by 15-minute bucket they are kept without limit. */
  outcomeMinuteDays: 32,
  logRetentionDaysDefault: 3,
  partitionDaysAhead: 3,
  workerConcurrencyDefault: 2,
  workerStatementMsMax: 30_000,
  workerHeartbeatMs: 2_000,
  /** A worker without a heartbeat for this long loses its partitions to the other workers. */
  workerLeaseMs: 10_000,
  workerRetryMsMax: 5_000,
  seriesCacheEntriesMax: 100_000,
  tenantCacheMs: 10_000,
  tenantCacheEntriesMax: 100_000,
  notifyBytesMax: 7_900,
  copyBufferBytesKept: 16 * 1024 * 1024,
} as const
