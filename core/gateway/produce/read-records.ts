import { LIMITS } from '../../../contract/limits.ts'
import { partitionFor } from '../../../contract/log/partitioner.ts'
import type { NewRecord, RecordHeader } from '../../log/log.ts'
import { bytesOf } from '../../log/partition-batches.ts'
import { KafkaRestError, type KafkaRestErrorCode } from '../kafka-rest-error.ts'

/** The records of a request and the topic of each. */
export interface ProduceRequest {
  records: NewRecord[]
  topics: string[]
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Of one record; Kafka itself has no limit. */
const HEADERS_MAX = 100

/**
 * One record or an array of them, each with its partition: as named, or by its key.
 * @param partitions how many each topic has
 * @param topicOfAll the topic of all records, where the path names one
 * @throws KafkaRestError
 */
export function readRecords(
  body: ArrayBuffer | Uint8Array,
  partitions: ReadonlyMap<string, number>,
  topicOfAll?: string,
): ProduceRequest {
  const items = [parseJson(body)].flat()
  if (items.length > LIMITS.logAppendRecordsMax)
    throw new KafkaRestError(
      'TOO_MANY_ITEMS',
      `at most ${LIMITS.logAppendRecordsMax} records in one request`,
    )
  const topics: string[] = []
  const records = items.map((item, index) => {
    const where = items.length > 1 ? `record ${index}: ` : ''
    const { topic, record } = readRecord(item, partitions, topicOfAll, where)
    topics.push(topic)
    return record
  })
  return { records, topics }
}

/** @param where goes before the message of an error */
function readRecord(
  item: unknown,
  partitions: ReadonlyMap<string, number>,
  topicOfAll: string | undefined,
  where: string,
): { topic: string; record: NewRecord } {
  const invalid = (detail: string, code: KafkaRestErrorCode = 'INVALID_REQUEST') =>
    new KafkaRestError(code, detail, where)
  if (typeof item !== 'object' || item === null) throw invalid('a record is an object')
  const { topic = topicOfAll, key, value, partition, headers } = item as Record<string, unknown>
  if (typeof topic !== 'string') throw invalid('topic must be a string')
  const count = partitions.get(topic)
  // Not repeated to the sender: a topic of any length and kind may have been sent.
  if (count === undefined) throw invalid('unknown topic', 'UNKNOWN_TOPIC')
  if (typeof value !== 'string') throw invalid('value must be a string')
  if (key !== undefined && key !== null && typeof key !== 'string')
    throw invalid('key must be a string')
  if (!value.isWellFormed() || !(key ?? '').isWellFormed())
    throw invalid('key and value must be well-formed Unicode')
  if (partition !== undefined && partition !== null && !isPartition(partition, count))
    throw invalid(`partition must be a whole number from 0 to ${count - 1}`, 'UNKNOWN_PARTITION')
  const keyBytes = key === undefined || key === null ? null : Buffer.from(key)
  const record: NewRecord = {
    partition:
      (partition as number | null | undefined) ??
      (keyBytes ? partitionFor(keyBytes, count) : undefined),
    key: keyBytes,
    value: Buffer.from(value),
  }
  if (headers !== undefined && headers !== null) {
    const read = readHeaders(headers)
    if (!read)
      throw invalid(
        `headers are at most ${HEADERS_MAX} objects with a key and a value, both strings`,
      )
    if (read.length > 0) record.headers = read
  }
  const bytes = bytesOf(record)
  if (bytes > LIMITS.recordBytesMax)
    throw invalid(
      `${bytes} bytes; at most ${LIMITS.recordBytesMax} in key, value and headers`,
      'RECORD_TOO_LARGE',
    )
  return { topic, record }
}

function readHeaders(headers: unknown): RecordHeader[] | undefined {
  if (!Array.isArray(headers) || headers.length > HEADERS_MAX) return undefined
  const read: RecordHeader[] = []
  for (const header of headers) {
    const { key, value } = (header ?? {}) as Record<string, unknown>
    if (typeof key !== 'string' || typeof value !== 'string') return undefined
    if (!key.isWellFormed() || !value.isWellFormed()) return undefined
    read.push({ key, value: Buffer.from(value) })
  }
  return read
}

/** @throws KafkaRestError */
export function parseJson(body: ArrayBuffer | Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(body))
  } catch {
    throw new KafkaRestError('INVALID_JSON', 'the body must be JSON in UTF-8')
  }
}

function isPartition(value: unknown, count: number): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < count
}
