import { LIMITS } from '../../contract/limits.ts'
import type { ProduceRecord } from '../../contract/log/kafka-rest.ts'
import { partitionFor } from '../../contract/log/partitioner.ts'
import { TOPICS } from '../../contract/log/topics.ts'
import { HttpProblem } from '../../edge/http/http-problem.ts'
import { describeError, type Report } from '../../edge/http/report.ts'
import type { Publish } from '../../edge/publish/publisher.ts'
import { KafkaRestError } from '../gateway/kafka-rest-error.ts'
import type { Batcher } from '../gateway/produce/batcher.ts'
import { ProduceTimeoutError } from '../gateway/produce/produce-timeout-error.ts'
import { withTimeout } from '../lib/timeout.ts'
import { type NewRecord, type RecordPosition, UnknownTopicError } from '../log/log.ts'
import { bytesOf } from '../log/partition-batches.ts'

/**
 * Appends an edge's records to the log in this process, with the publisher's deadline, retry and errors.
 * @param batcher whose deadline is LIMITS.publishMsMax
 */
export function createLogPublisher(batcher: Pick<Batcher, 'add'>, report: Report): Publish {
  return async (records) => {
    try {
      return await addWithRetry(batcher, records.map(newRecord))
    } catch (error) {
      const isTooLarge = error instanceof KafkaRestError && error.code === 'RECORD_TOO_LARGE'
      report({
        level: isTooLarge ? 'error' : 'warn',
        what: 'the log did not confirm',
        error: describeError((error as Error).cause ?? error),
      })
      if (isTooLarge)
        throw new HttpProblem('BODY_TOO_LARGE', {
          detail: 'The log does not take this much in one record or request; split the batch.',
        })
      throw new HttpProblem('LOG_UNAVAILABLE', {
        headers: { 'retry-after': String(LIMITS.retryAfterSecondsWithoutLog) },
      })
    }
  }
}

/** Once more, within the same deadline: the same event ids make the repetition harmless. */
async function addWithRetry(
  batcher: Pick<Batcher, 'add'>,
  records: readonly NewRecord[],
): Promise<RecordPosition[]> {
  const began = performance.now()
  try {
    return await batcher.add(TOPICS.raw.name, records)
  } catch (error) {
    if (!isRetryable(error)) throw error
    const left = LIMITS.publishMsMax - (performance.now() - began)
    return withTimeout(left, 'the log', batcher.add(TOPICS.raw.name, records))
  }
}

/** The log failed, which need not happen again; it did not run out of time, and the topic exists. */
function isRetryable(error: unknown): boolean {
  if (!(error instanceof ProduceTimeoutError) || error.cause === undefined) return false
  return !(error.cause instanceof UnknownTopicError)
}

/** @throws KafkaRestError RECORD_TOO_LARGE */
function newRecord({ key, value }: ProduceRecord): NewRecord {
  const keyBytes = Buffer.from(key as string)
  const record = {
    partition: partitionFor(keyBytes, TOPICS.raw.partitions),
    key: keyBytes,
    value: Buffer.from(value),
  }
  if (bytesOf(record) > LIMITS.recordBytesMax)
    throw new KafkaRestError('RECORD_TOO_LARGE', `at most ${LIMITS.recordBytesMax} bytes`)
  return record
}
