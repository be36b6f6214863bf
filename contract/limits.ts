/** Every bound in one place, units in the names. Relations between them are held by limits.test.ts. */
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
  /** Of `sent_at` against the time received: less is the network's, more is no clock's. */
  clockSkewMsMin: 30_000,
  clockSkewMsMax: 48 * 3_600_000,

  // A request
  batchEventsMax: 1_000,
  /** Decoded body. */
  bodyBytesMax: 1024 * 1024,
  bodyReadMsMax: 10_000,
  /** A stream of lines, decoded; the edge's setting SLUICE_NDJSON_BYTES_MAX says otherwise. */
  ndjsonBytesMax: 64 * 1024 * 1024,
  /** Blanks and escapes make an event's line longer than the event. */
  ndjsonLineBytesMax: 128 * 1024,
  /** Lines of a stream that are judged and published together. */
  ndjsonBatchLinesMax: 1_000,
  /** In characters; one line more may come on top. */
  ndjsonBatchCharsMax: 256 * 1024,
  /** A line that waits for others to be published with waits no longer. */
  ndjsonLingerMs: 1_000,
  /** A body that unfolds to more is a bomb, once it is larger than bodyBytesMax. */
  inflateRatioMax: 200,
  /** Decoded bodies that one edge process works on at once. */
  edgeBytesInFlightMax: 3 * 1024 * 1024,
  idempotencyKeyCharsMax: 255,
  requestIdCharsMax: 128,
  /** Errors listed in one answer; the count of all of them is told beside the list. */
  errorsListedMax: 1_000,

  // Keys and rates
  keyEventsPerMinuteDefault: 100,
  tenantEventsPerMinuteDefault: 300,
  keyCacheEntriesMax: 10_000,
  keyCacheFreshMs: 15_000,
  keyCacheUnknownMs: 10_000,
  /** Without the directory a known key is good for this much longer; fresh, stale and a look-up stay below the 60 s of a revocation. */
  keyCacheStaleMs: 40_000,
  keyLookupMsMax: 1_000,
  /** How often core looks which keys have changed, besides being told, and how often it writes all of them. */
  keyPublishMs: 5_000,
  keyPublishAllMs: 60_000,
  limiterEntriesMax: 50_000,
  /** Keys of the right form that an address may have looked up in vain. */
  unknownKeysPerMinuteMax: 100,
  /** How long it is known how much a key was used. */
  keyUseDays: 90,
  schemaVersionsMax: 100,
  idempotencyEntriesMax: 50_000,
  /** All stored answers together, where they are kept in memory. */
  idempotencyBytesMax: 4 * 1024 * 1024,
  idempotencyLeaseMs: 15_000,
  idempotencyResultMs: 30 * 60_000,

  // Publishing
  /** From the first byte sent to the last word of the answer, the one retry included. */
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
  /** Of request bodies that are being read at once. */
  gatewayBodiesBytesMax: 32 * 1024 * 1024,
  /** Below the publisher's deadline, so that the edge hears a reason and not only silence. */
  gatewayProduceMsMax: 2_500,
  /** Key and value of one record. The largest that an edge makes is a dead letter with a whole body in it. */
  recordBytesMax: 4 * 1024 * 1024 - 1024,
  /** Names with a password of their own. */
  gatewayUsersMax: 100,
  /** Requests that read, or wait for something to read, at once. */
  gatewayWaitersMax: 64,
  /** Of these, as many read at once: each holds up to two batches of the log. */
  gatewayReadersMax: 4,
  /** How long a reader waits for records unless it says otherwise, and at most. */
  gatewayWaitMsDefault: 1_000,
  gatewayWaitMsMax: 30_000,
  /** Of one answer; one larger record still comes alone. */
  gatewayReadRecordsMax: 500,
  gatewayReadBytesMax: 1024 * 1024,
  /** Topics and partitions that one request may name. */
  gatewayPartitionsMax: 1_000,
  /** Of a consumer group or one of its instances. */
  consumerNameCharsMax: 255,
  consumerGroupsMax: 1_000,
  /** A group that nobody has asked for anything for so long is forgotten, as Kafka forgets its own. */
  consumerGroupDays: 7,
  consumerSessionMsDefault: 120_000,
  consumerSessionMsMax: 3_600_000,
  consumerCommitMsDefault: 5_000,
  logAppendRecordsMax: 5_000,
  logAppendMsMax: 2_000,
  logBatchRecordsMax: 5_000,
  logBatchMinIntervalMs: 100,

  // Redis
  /** The edge waits this long for limiter, lease or key, a second try with the script's text included. */
  redisMsMax: 250,
  /** After a failure Redis is left alone for this long; then one request tries. */
  redisPauseMs: 1_000,
  /** Longer answers are not kept for repetitions, in characters; their events are still counted once. */
  redisResponseCharsMax: 512 * 1024,
  /** Below the edge's deadline, so that it hears a reason and not only silence. */
  redisBridgeMsMax: 200,
  /** A connection to Redis on which nothing comes for this long while something is asked is dead. */
  redisSilenceMsMax: 2_000,
  redisBodyBytesMax: 2 * 1024 * 1024,
  /** Of request bodies that are being read at once, apart from those for the log: they may not hold up Redis. */
  redisBodiesBytesMax: 16 * 1024 * 1024,
  /** One argument of a command: an answer in the widest characters still fits. */
  redisValueBytesMax: 3 * 512 * 1024,
  redisCommandsMax: 1_000,
  redisArgumentsMax: 1_000,
  redisInFlightCommandsMax: 10_000,
  redisInFlightBytesMax: 32 * 1024 * 1024,
  redisScriptBytesMax: 64 * 1024,
  /** Scripts of clients whose text the bridge remembers. */
  redisScriptsMax: 256,

  // The worker
  dedupeDays: 2,
  eventNamesPerTenantMax: 2_000,
  /** A record that waited longer than this before it reached the log is dead-lettered, not given a partition. */
  receivedAgeDaysMax: 30,
  /** No log keeps records for longer before they are read; what claims to be older is dead-lettered too. */
  logAgeDaysMax: 400,
  rawRetentionDaysDefault: 30,
  /** Dead letters with what was sent; as long as single events, where those are kept longer. */
  deadLetterDays: 90,
  /** What became of events is known by the minute for so long, and by the quarter of an hour for ever. */
  outcomeMinuteDays: 32,
  logRetentionDaysDefault: 3,
  partitionDaysAhead: 3,
  workerConcurrencyDefault: 2,
  workerStatementMsMax: 30_000,
  workerHeartbeatMs: 2_000,
  /** A worker that has said nothing for so long loses its partitions to the others. */
  workerLeaseMs: 10_000,
  workerRetryMsMax: 5_000,
  seriesCacheEntriesMax: 100_000,
  tenantCacheMs: 10_000,
  tenantCacheEntriesMax: 100_000,
  notifyBytesMax: 7_900,
  copyBufferBytesKept: 16 * 1024 * 1024,
} as const
