import type { KafkaRestError } from '../../contract/kafka-rest.ts'
import { LIMITS } from '../../contract/limits.ts'
import type { NewRecord } from '../log/log.ts'
import { partitionFor } from '../log/partitioner.ts'

/** The records of a request and the topic of each. */
export interface ProduceRequest {
  records: NewRecord[]
  topics: string[]
}

/** Why a request is not one, in Upstash's words: the text of the error and its HTTP status. */
export class BadProduceError extends Error {
  readonly status: 400 | 404 | 408 | 413

  constructor(status: 400 | 404 | 408 | 413, message: string) {
    super(message)
    this.name = 'BadProduceError'
    this.status = status
  }

  get answer(): KafkaRestError {
    return { error: this.message, status: this.status }
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * One record or an array of them, each with its partition: named, or where its key leads.
 * @param partitions how many each topic has
 * @throws BadProduceError
 */
export function readRecords(
  body: ArrayBuffer | Uint8Array,
  partitions: ReadonlyMap<string, number>,
): ProduceRequest {
  const items = [parse(body)].flat()
  if (items.length > LIMITS.logAppendRecordsMax)
    throw new BadProduceError(413, `at most ${LIMITS.logAppendRecordsMax} records in one request`)
  const topics: string[] = []
  const records = items.map((item, index) => {
    const bad = (what: string, status: 400 | 404 = 400) =>
      new BadProduceError(status, items.length > 1 ? `record ${index}: ${what}` : what)
    if (typeof item !== 'object' || item === null) throw bad('a record is an object')
    const { topic, key, value, partition } = item as Record<string, unknown>
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
    return {
      partition:
        (partition as number | null | undefined) ??
        (keyBytes ? partitionFor(keyBytes, count) : undefined),
      key: keyBytes,
      value: Buffer.from(value),
    }
  })
  return { records, topics }
}

function parse(body: ArrayBuffer | Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(body))
  } catch {
    throw new BadProduceError(400, 'the body must be JSON in UTF-8')
  }
}

function isPartition(value: unknown, count: number): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < count
}
