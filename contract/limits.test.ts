import { expect, it } from 'vitest'
import { LIMITS } from './limits.ts'

it('one full client batch always fits one append and one read, so a batch is never split', () => {
  expect(LIMITS.logAppendRecordsMax).toBeGreaterThanOrEqual(LIMITS.batchEventsMax)
  expect(LIMITS.gatewayBatchRecordsMax).toBeGreaterThanOrEqual(LIMITS.batchEventsMax)
  expect(LIMITS.logBatchRecordsMax).toBeGreaterThanOrEqual(LIMITS.batchEventsMax)
  expect(LIMITS.logAppendRecordsMax).toBeGreaterThanOrEqual(LIMITS.gatewayBatchRecordsMax)
})

it('one event of full size fits a body, a gateway batch and the gateway queue', () => {
  expect(LIMITS.bodyBytesMax).toBeGreaterThan(LIMITS.eventBytesMax)
  expect(LIMITS.gatewayBatchBytesMax).toBeGreaterThan(2 * LIMITS.eventBytesMax)
  expect(LIMITS.gatewayQueueBytesMax).toBeGreaterThan(8 * LIMITS.gatewayBatchBytesMax)
})

it('a revoked key is refused everywhere within 60 s, even while nobody can be asked', () => {
  const { keyCacheFreshMs, keyCacheStaleMs, keyCacheUnknownMs, keyLookupMsMax } = LIMITS
  expect(keyCacheFreshMs + keyCacheStaleMs + keyLookupMsMax).toBeLessThan(60_000)
  expect(keyCacheUnknownMs).toBeLessThan(60_000)
  // Keys in Redis that nobody has compared with the truth for longer are not believed.
  expect(LIMITS.keyPublishMs).toBeLessThan(keyCacheFreshMs / 2)
})

it('whoever waits for another hears its reason before giving up', () => {
  expect(LIMITS.logAppendMsMax).toBeLessThan(LIMITS.gatewayProduceMsMax)
  expect(LIMITS.gatewayProduceMsMax).toBeLessThan(LIMITS.publishMsMax)
})

it('whoever asks Redis hears why not, before giving up, and can keep every answer there', () => {
  expect(LIMITS.redisBridgeMsMax).toBeLessThan(LIMITS.redisMsMax)
  expect(LIMITS.redisMsMax).toBeLessThan(LIMITS.redisPauseMs)
  expect(LIMITS.redisSilenceMsMax).toBeGreaterThan(LIMITS.redisBridgeMsMax)
  // The widest characters take three bytes.
  expect(LIMITS.redisValueBytesMax).toBeGreaterThanOrEqual(3 * LIMITS.redisResponseCharsMax)
  expect(LIMITS.redisBodyBytesMax).toBeGreaterThan(LIMITS.redisValueBytesMax)
  expect(LIMITS.redisInFlightBytesMax).toBeGreaterThan(8 * LIMITS.redisBodyBytesMax)
  expect(LIMITS.redisBodiesBytesMax).toBeGreaterThanOrEqual(LIMITS.redisBodyBytesMax)
})

it('a lease outlives the publishing that it stands for, a stored answer a client that retries', () => {
  expect(LIMITS.idempotencyLeaseMs).toBeGreaterThan(2 * LIMITS.publishMsMax)
  expect(LIMITS.idempotencyResultMs).toBeGreaterThan(LIMITS.idempotencyLeaseMs)
})

it('no sum of values can overflow a double', () => {
  expect(Number.isFinite(LIMITS.valueMax * 1e17)).toBe(true)
})

it('a stored value keeps longer than the days in which it may come again', () => {
  expect(LIMITS.rawRetentionDaysDefault).toBeGreaterThan(LIMITS.dedupeDays)
  expect(LIMITS.logRetentionDaysDefault).toBeGreaterThan(LIMITS.dedupeDays)
})

it('a refusal lists the fault of every event of a full batch', () => {
  expect(LIMITS.errorsListedMax).toBeGreaterThanOrEqual(LIMITS.batchEventsMax)
})

it('what is read of a stream of lines at once fits one append, and leaves room for others', () => {
  expect(LIMITS.ndjsonBatchLinesMax).toBeLessThanOrEqual(LIMITS.batchEventsMax)
  expect(LIMITS.ndjsonLineBytesMax).toBeGreaterThanOrEqual(2 * LIMITS.eventBytesMax)
  const batch = LIMITS.ndjsonBatchCharsMax + LIMITS.ndjsonLineBytesMax
  expect(batch).toBeLessThan(LIMITS.bodyBytesMax)
  expect(4 * batch).toBeLessThanOrEqual(LIMITS.edgeBytesInFlightMax)
})

it('a stream whose lines come slowly renews its lease before that runs out', () => {
  const { bodyReadMsMax, idempotencyLeaseMs, publishMsMax, ndjsonLingerMs } = LIMITS
  expect(bodyReadMsMax + publishMsMax).toBeLessThan(idempotencyLeaseMs)
  expect(ndjsonLingerMs).toBeLessThan(bodyReadMsMax)
})

it('a record may hold a whole body, spelled twice as long as it came, and its event', () => {
  expect(LIMITS.recordBytesMax).toBeGreaterThan(2 * LIMITS.bodyBytesMax + 2 * LIMITS.eventBytesMax)
  expect(LIMITS.gatewayQueueBytesMax).toBeGreaterThan(4 * LIMITS.recordBytesMax)
})

it('an instance that waits as long as it may is still one of its group, and comes back before it is forgotten', () => {
  expect(LIMITS.consumerSessionMsDefault).toBeGreaterThan(2 * LIMITS.gatewayWaitMsMax)
  expect(LIMITS.consumerSessionMsDefault).toBeGreaterThan(2 * LIMITS.consumerCommitMsDefault)
  expect(LIMITS.consumerGroupDays * 24 * 3_600_000).toBeGreaterThan(LIMITS.consumerSessionMsMax)
})

it('what may still change is kept as fine as it came', () => {
  expect(LIMITS.outcomeMinuteDays).toBeGreaterThan(LIMITS.receivedAgeDaysMax)
  expect(LIMITS.deadLetterDays).toBeGreaterThan(LIMITS.rawRetentionDaysDefault)
})
