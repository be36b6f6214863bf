import * as z from 'zod/mini'
import type { ProduceRecord } from '../../contract/log/kafka-rest.ts'
import { partitionFor } from '../../contract/log/partitioner.ts'
import { PARTITIONS } from '../../contract/log/topics.ts'
import { base64 } from '../lib/bytes.ts'
import {
  type KafkaRestClient,
  type PartitionOffset,
  ProduceError,
  ProtocolError,
} from './publisher.ts'

export interface ConfluentSettings {
  /** Of the REST proxy, without a slash at its end. */
  url: string
  /** Left out, requests carry no credentials. */
  username?: string
  password?: string
  /** Before the topics' names. */
  topicPrefix?: string
}

/**
 * Confluent's REST proxy, API v2, and what speaks like it (Redpanda's HTTP Proxy): `POST /topics/{topic}`.
 *
 * Keys and values go as base64 (`binary`). As `json` the proxy would parse and serialise them again: Confluent's
 * turns 1000.0 into 1e3 and puts a key in quotes, Redpanda's writes numbers differently. The worker must read
 * exactly what the edge wrote, and the key's bytes decide the partition.
 *
 * Every record with a key names its partition: the one that our gateway would choose, whatever partitioner the proxy
 * has. It also identifies the offsets: Confluent responds for each record, in their order; Redpanda for each
 * partition, in any order, with the offset of the first.
 *
 * @see https://docs.confluent.io/platform/current/kafka-rest/api.html#post--topics-(string-topic_name)
 */
export function createConfluentClient(settings: ConfluentSettings): KafkaRestClient {
  const { url, username, password = '', topicPrefix = '' } = settings
  const headers = new Headers({
    'content-type': 'application/vnd.kafka.binary.v2+json',
    accept: 'application/vnd.kafka.v2+json',
  })
  if (username) headers.set('authorization', `Basic ${toBase64(`${username}:${password}`)}`)

  return async (records, sendRequest) => {
    const topic = records[0]?.topic ?? ''
    if (records.some((record) => record.topic !== topic))
      throw new RangeError('records of several topics do not go in one request')
    const partitions = records.map(partitionOf)
    const request = {
      method: 'POST',
      url: `${url}/topics/${topicPrefix}${topic}`,
      headers,
      // Undefined members are left out: Redpanda accepts neither null nor members that it does not know.
      body: JSON.stringify({
        records: records.map(({ key, value }, i) => ({
          key: key === undefined ? undefined : toBase64(key),
          value: toBase64(value),
          partition: partitions[i],
        })),
      }),
    }
    return sendRequest(request, (response) => readOffsets(response, partitions))
  }
}

function partitionOf({ topic, key, partition }: ProduceRecord): number {
  const count = PARTITIONS.get(topic) ?? 1
  // Without a key any partition will do.
  return partition ?? (key === undefined ? 0 : partitionFor(new TextEncoder().encode(key), count))
}

const produced = z.object({
  offsets: z.array(
    z.object({
      partition: z.optional(z.nullable(z.int())),
      offset: z.optional(z.nullable(z.int())),
      /** Of Confluent: 1 and 50002 for what will fail again, 2 and 50003 for what may not; of Redpanda: Kafka's own. */
      error_code: z.optional(z.nullable(z.int())),
      error: z.optional(z.nullable(z.string())),
    }),
  ),
})
const RETRIABLE = new Set([2, 50003])

/** @throws ProduceError where some of the records are not in the log · ProtocolError */
function readOffsets(response: unknown, partitions: readonly number[]): PartitionOffset[] {
  const read = z.safeParse(produced, response)
  if (!read.success) throw new ProtocolError('the response is not one of API v2')
  const { offsets } = read.data
  const codes = offsets.flatMap(({ error_code }) => error_code || [])
  if (codes.length > 0)
    throw new ProduceError(
      `error codes ${[...new Set(codes)].join(', ')}`,
      200,
      codes.every((code) => RETRIABLE.has(code)),
    )
  const found = offsets.map(({ partition, offset }): PartitionOffset => {
    if (!isOffset(partition) || !isOffset(offset))
      throw new ProtocolError('a record without an offset')
    return { partition, offset }
  })
  return byRecord(found, partitions) ?? byPartition(found, partitions)
}

function byRecord(
  found: readonly PartitionOffset[],
  partitions: readonly number[],
): PartitionOffset[] | undefined {
  const fits =
    found.length === partitions.length &&
    found.every(({ partition }, i) => partition === partitions[i])
  return fits ? [...found] : undefined
}

/** One batch per partition, so its records have consecutive offsets. */
function byPartition(
  found: readonly PartitionOffset[],
  partitions: readonly number[],
): PartitionOffset[] {
  const next = new Map(found.map(({ partition, offset }) => [partition, offset]))
  if (next.size !== found.length || next.size !== new Set(partitions).size)
    throw new ProtocolError('the response does not fit the records')
  return partitions.map((partition) => {
    const offset = next.get(partition)
    if (offset === undefined) throw new ProtocolError('the response does not fit the records')
    next.set(partition, offset + 1)
    return { partition, offset }
  })
}

function isOffset(value: number | null | undefined): value is number {
  return typeof value === 'number' && value >= 0
}

/** Of the text as UTF-8. @throws RangeError for half a surrogate pair, which UTF-8 does not have */
function toBase64(text: string): string {
  if (!NOT_ASCII.test(text)) return btoa(text)
  if (!text.isWellFormed()) throw new RangeError('half a surrogate pair')
  return base64(new TextEncoder().encode(text))
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII begins with them
const NOT_ASCII = /[^\x00-\x7f]/
