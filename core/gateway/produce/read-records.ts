import { LIMITS } from '../../../contract/limits.ts'
import { partitionFor } from '../../../contract/log/partitioner.ts'
import type { NewRecord, RecordHeader } from '../../log/log.ts'
import { bytesOf } from '../../log/partition-batches.ts'
import { KafkaRestError } from '../kafka-rest-error.ts'

/** The records of a request and the topic of each. */
export interface ProduceRequest {
  records: NewRecord[]
  topics: string[]
}

/** Why a body, or what is in it, cannot be taken. */
export class BadProduceError extends KafkaRestError {
  declare readonly status: 400 | 404 | 408 | 413

  constructor(status: BadProduceError['status'], message: string) {
    super(status, message)
    this.name = 'BadProduceError'
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** So many of one record; Kafka itself has no limit. */
const HEADERS_MAX = 100

/**
 * One record or an array of them, each with its partition: named, or where its key leads.
 * @param partitions how many each topic has
 * @param topicOfAll of the records, where the path names it
 * @throws BadProduceError
 */
export function readRecords(
  body: ArrayBuffer | Uint8Array,
  partitions: ReadonlyMap<string, number>,
  topicOfAll?: string,
): ProduceRequest {
  const items = [parseJson(body)].flat()
  if (items.length > LIMITS.logAppendRecordsMax)
    throw new BadProduceError(413, `at most ${LIMITS.logAppendRecordsMax} records in one request`)
  const topics: string[] = []
  const records = items.map((item, index) => {
    const bad = (what: string, status: 400 | 404 | 413 = 400) =>
      new BadProduceError(status, items.length > 1 ? `record ${index}: ${what}` : what)
    if (typeof item !== 'object' || item === null) throw bad('a record is an object')
    const { topic = topicOfAll, key, value, partition, headers } = item as Record<string, unknown>
    if (typeof topic !== 'string') throw bad('topic must be a string')
    const count = partitions.get(topic)
    // Not repeated to the sender: a topic of any length and kind may have been sent.
    if (count === undefined) throw bad('unknown topic', 404)
    if (typeof value !== 'string') throw bad('value must be a string')
    if (key !== undefined && key !== null && typeof key !== 'string')
      throw bad('key must be a string')
    if (!value.isWellFormed() || !(key ?? '').isWellFormed())
      throw bad('key and value must be well-formed Unicode')
    if (partition !== undefined && partition !== null && !isPartition(partition, count))
      throw bad(`partition must be a whole number from 0 to ${count - 1}`, 404)
    topics.push(topic)
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
        throw bad(`headers are at most ${HEADERS_MAX} objects with a key and a value, both strings`)
      if (read.length > 0) record.headers = read
    }
    const bytes = bytesOf(record)
    if (bytes > LIMITS.recordBytesMax)
      throw bad(
        `RECORD_TOO_LARGE: ${bytes} bytes; at most ${LIMITS.recordBytesMax} in key, value and headers`,
        413,
      )
    return record
  })
  return { records, topics }
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

/** @throws BadProduceError */
export function parseJson(body: ArrayBuffer | Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(body))
  } catch {
    throw new BadProduceError(400, 'the body must be JSON in UTF-8')
  }
}

function isPartition(value: unknown, count: number): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < count
}
