import { expect, it } from 'vitest'
import { LIMITS } from './limits.ts'

it('a full client batch fits one append and one read, so a batch is never split', () => {
  expect(LIMITS.logAppendRecordsMax).toBeGreaterThanOrEqual(LIMITS.batchEventsMax)
  expect(LIMITS.gatewayBatchRecordsMax).toBeGreaterThanOrEqual(LIMITS.batchEventsMax)
  expect(LIMITS.logBatchRecordsMax).toBeGreaterThanOrEqual(LIMITS.batchEventsMax)
  expect(LIMITS.logAppendRecordsMax).toBeGreaterThanOrEqual(LIMITS.gatewayBatchRecordsMax)
})

it('an event of maximum size fits a body, a gateway batch and the gateway queue', () => {
  expect(LIMITS.bodyBytesMax).toBeGreaterThan(LIMITS.eventBytesMax)
  expect(LIMITS.gatewayBatchBytesMax).toBeGreaterThan(2 * LIMITS.eventBytesMax)
  expect(LIMITS.gatewayQueueBytesMax).toBeGreaterThan(8 * LIMITS.gatewayBatchBytesMax)
})

it('a revoked key is rejected everywhere within 60 s, even while the directory is unavailable', () => {
  const { keyCacheFreshMs, keyCacheStaleMs, keyCacheUnknownMs, keyLookupMsMax } = LIMITS
  expect(keyCacheFreshMs + keyCacheStaleMs + keyLookupMsMax).toBeLessThan(60_000)
  expect(keyCacheUnknownMs).toBeLessThan(60_000)
  // Keys in Redis that were not compared with Postgres for longer are not trusted.
  expect(LIMITS.keyPublishMs).toBeLessThan(keyCacheFreshMs / 2)
})

it('each caller of the log waits longer than its callee, so that it receives an error instead of a timeout', () => {
  expect(LIMITS.logAppendMsMax).toBeLessThan(LIMITS.gatewayProduceMsMax)
  expect(LIMITS.gatewayProduceMsMax).toBeLessThan(LIMITS.publishMsMax)
})

it('each caller of Redis waits longer than its callee, and every response fits a Redis value', () => {
  expect(LIMITS.redisBridgeMsMax).toBeLessThan(LIMITS.redisMsMax)
  expect(LIMITS.redisMsMax).toBeLessThan(LIMITS.redisPauseMs)
  expect(LIMITS.redisSilenceMsMax).toBeGreaterThan(LIMITS.redisBridgeMsMax)
  // The widest characters take three bytes.
  expect(LIMITS.redisValueBytesMax).toBeGreaterThanOrEqual(3 * LIMITS.redisResponseCharsMax)
  expect(LIMITS.redisBodyBytesMax).toBeGreaterThan(LIMITS.redisValueBytesMax)
  expect(LIMITS.redisInFlightBytesMax).toBeGreaterThan(8 * LIMITS.redisBodyBytesMax)
  expect(LIMITS.redisBodiesBytesMax).toBeGreaterThanOrEqual(LIMITS.redisBodyBytesMax)
})

it('an idempotency lease outlives publishing, and a stored response outlives the lease', () => {
  expect(LIMITS.idempotencyLeaseMs).toBeGreaterThan(2 * LIMITS.publishMsMax)
  expect(LIMITS.idempotencyResultMs).toBeGreaterThan(LIMITS.idempotencyLeaseMs)
})

it('a sum of 1e17 values of maximum size does not overflow a double', () => {
  expect(Number.isFinite(LIMITS.valueMax * 1e17)).toBe(true)
})

it('events and log records are kept longer than the deduplication window', () => {
  expect(LIMITS.rawRetentionDaysDefault).toBeGreaterThan(LIMITS.dedupeDays)
  expect(LIMITS.logRetentionDaysDefault).toBeGreaterThan(LIMITS.dedupeDays)
})

it('an error response has room for one error per event of a full batch', () => {
  expect(LIMITS.errorsListedMax).toBeGreaterThanOrEqual(LIMITS.batchEventsMax)
})

it('an NDJSON chunk fits one append, and four chunks fit the memory limit of the edge', () => {
  expect(LIMITS.ndjsonBatchLinesMax).toBeLessThanOrEqual(LIMITS.batchEventsMax)
  expect(LIMITS.ndjsonLineBytesMax).toBeGreaterThanOrEqual(2 * LIMITS.eventBytesMax)
  const batch = LIMITS.ndjsonBatchCharsMax + LIMITS.ndjsonLineBytesMax
  expect(batch).toBeLessThan(LIMITS.bodyBytesMax)
  expect(4 * batch).toBeLessThanOrEqual(LIMITS.edgeBytesInFlightMax)
})

it('a slow NDJSON stream renews its lease before the lease expires', () => {
  const { bodyReadMsMax, idempotencyLeaseMs, publishMsMax, ndjsonLingerMs } = LIMITS
  expect(bodyReadMsMax + publishMsMax).toBeLessThan(idempotencyLeaseMs)
  expect(ndjsonLingerMs).toBeLessThan(bodyReadMsMax)
})

it('a record has room for a whole body at twice its length and for its event', () => {
  expect(LIMITS.recordBytesMax).toBeGreaterThan(2 * LIMITS.bodyBytesMax + 2 * LIMITS.eventBytesMax)
  expect(LIMITS.gatewayQueueBytesMax).toBeGreaterThan(4 * LIMITS.recordBytesMax)
})

it('a consumer instance that waits as long as allowed keeps its session and its group', () => {
  expect(LIMITS.consumerSessionMsDefault).toBeGreaterThan(2 * LIMITS.gatewayWaitMsMax)
  expect(LIMITS.consumerSessionMsDefault).toBeGreaterThan(2 * LIMITS.consumerCommitMsDefault)
  expect(LIMITS.consumerGroupDays * 24 * 3_600_000).toBeGreaterThan(LIMITS.consumerSessionMsMax)
})

it('outcomes by minute and dead letters are kept as long as their events can still arrive', () => {
  expect(LIMITS.outcomeMinuteDays).toBeGreaterThan(LIMITS.receivedAgeDaysMax)
  expect(LIMITS.deadLetterDays).toBeGreaterThan(LIMITS.rawRetentionDaysDefault)
})

it('a connection outlives a slow stream, a response that waits for the log, and the largest body that is discarded', () => {
  expect(LIMITS.edgeSilenceMsMax).toBeGreaterThan(2 * LIMITS.bodyReadMsMax)
  expect(LIMITS.edgeSilenceMsMax).toBeGreaterThan(
    LIMITS.bodyReadMsMax + LIMITS.lookupWaitMsMax + LIMITS.publishMsMax,
  )
  expect(LIMITS.edgeDiscardedBytesMax).toBeGreaterThan(LIMITS.bodyBytesMax)
})
