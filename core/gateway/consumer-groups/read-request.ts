import { isObject } from '../../../contract/json/is-object.ts'
import { LIMITS } from '../../../contract/limits.ts'
import type { TopicPartition, TopicPartitionOffset } from '../../../contract/log/kafka-rest.ts'
import { KafkaRestError } from '../kafka-rest-error.ts'
import type { ConsumeRequest } from './consume.ts'

/** Reads the bodies and headers of consuming requests. All of these functions throw KafkaRestError. */

export type Partitions = ReadonlyMap<string, number>

/** The name of a group or an instance, from the path. */
export function readName(sent: string | undefined, what: 'group' | 'instance'): string {
  const name = sent ?? ''
  // Anything that Postgres can keep and a person can read.
  if (name === '' || name.length > LIMITS.consumerNameCharsMax || /\p{C}/u.test(name))
    throw invalid(
      `the ${what}'s name must be 1 to ${LIMITS.consumerNameCharsMax} printable characters`,
    )
  return name
}

/** One, an array of them, or nothing: then the array is empty. */
export function readTopicPartitions(body: unknown, partitions: Partitions): TopicPartition[] {
  return listOf(body).map((item) => readTopicPartition(item, partitions))
}

export function readOffsets(body: unknown, partitions: Partitions): TopicPartitionOffset[] {
  return listOf(body).map((item) => {
    const partition = readTopicPartition(item, partitions)
    return { ...partition, offset: readOffset((item as { offset?: unknown }).offset) }
  })
}

export interface FetchRequest {
  from: TopicPartitionOffset[]
  waitMs: number
}

/** One offset at the top, several in `topicPartitionOffsets`, or both. */
export function readFetch(body: unknown, partitions: Partitions): FetchRequest {
  if (!isObject(body)) throw invalid('the body must be a JSON object')
  const { timeout, topicPartitionOffsets = [], ...single } = body
  const from = [
    ...(single.topic === undefined ? [] : readOffsets(withDefaultOffset(single), partitions)),
    ...readOffsets(topicPartitionOffsets ?? [], partitions),
  ]
  if (from.length === 0) throw invalid('name a topic, a partition and an offset')
  const names = new Set(from.map(({ topic, partition }) => `${topic}/${partition}`))
  if (names.size < from.length) throw invalid('name each partition once')
  return { from, waitMs: readWait(timeout) }
}

/** @upstash/kafka's own example leaves the offset out. */
function withDefaultOffset(single: Record<string, unknown>) {
  return { ...single, offset: single.offset ?? 0 }
}

export function readConsume(
  body: unknown,
  header: (name: string) => string | undefined,
  partitions: Partitions,
): Omit<ConsumeRequest, 'group' | 'instance'> {
  if (!isObject(body)) throw invalid('the body must be a JSON object')
  const { topic, topics = [], timeout } = body
  if (!Array.isArray(topics)) throw invalid('topics must be an array')
  const wanted = new Set([...(topic === undefined ? [] : [topic]), ...topics])
  if (wanted.size === 0 || wanted.size > LIMITS.gatewayPartitionsMax)
    throw invalid(`name 1 to ${LIMITS.gatewayPartitionsMax} topics`)
  for (const each of wanted) partitionsOf(each, partitions)
  const commits = choice(header, 'Kafka-Enable-Auto-Commit', ['true', 'false']) !== 'false'
  const commitMs = milliseconds(
    header,
    'Kafka-Auto-Commit-Interval',
    LIMITS.consumerCommitMsDefault,
    LIMITS.consumerSessionMsMax,
  )
  return {
    topics: [...wanted] as string[],
    waitMs: readWait(timeout),
    sessionMs: milliseconds(
      header,
      'Kafka-Session-Timeout-Ms',
      LIMITS.consumerSessionMsDefault,
      LIMITS.consumerSessionMsMax,
    ),
    commitMs: commits ? commitMs : undefined,
    reset: choice(header, 'Kafka-Auto-Offset-Reset', ['latest', 'earliest', 'none']),
  }
}

/** Milliseconds since the epoch, or one of the two ends. */
export function readTimestamp(sent: string): number | 'earliest' | 'latest' {
  if (sent === 'earliest' || sent === 'latest') return sent
  const ms = Number(sent)
  // What Postgres takes for a time.
  if (!/^\d{1,15}$/.test(sent) || ms > 8.64e15)
    throw invalid('the timestamp must be earliest, latest or milliseconds since 1970')
  return ms
}

/** How long to wait for records, at most as long as we ever do. */
export function readWait(sent: unknown): number {
  if (sent === undefined || sent === null) return LIMITS.gatewayWaitMsDefault
  if (!(Number.isSafeInteger(sent) && (sent as number) >= 0))
    throw invalid('timeout must be a whole number of milliseconds')
  return Math.min(sent as number, LIMITS.gatewayWaitMsMax)
}

function listOf(body: unknown): unknown[] {
  const items = body === undefined || body === null ? [] : [body].flat()
  if (items.length > LIMITS.gatewayPartitionsMax)
    throw new KafkaRestError(
      'TOO_MANY_ITEMS',
      `at most ${LIMITS.gatewayPartitionsMax} partitions in one request`,
    )
  return items
}

function readTopicPartition(item: unknown, partitions: Partitions): TopicPartition {
  if (!isObject(item)) throw invalid('a partition is an object with a topic and a partition')
  const { topic, partition } = item
  const count = partitionsOf(topic, partitions)
  if (!(Number.isInteger(partition) && (partition as number) >= 0 && (partition as number) < count))
    throw new KafkaRestError(
      'UNKNOWN_PARTITION',
      `partition must be a whole number from 0 to ${count - 1}`,
    )
  return { topic: topic as string, partition: partition as number }
}

function partitionsOf(topic: unknown, partitions: Partitions): number {
  if (typeof topic !== 'string') throw invalid('topic must be a string')
  const count = partitions.get(topic)
  // Not repeated to the sender: a topic of any length and kind may have been sent.
  if (count === undefined) throw new KafkaRestError('UNKNOWN_TOPIC', 'unknown topic')
  return count
}

function readOffset(offset: unknown): number {
  if (!(Number.isSafeInteger(offset) && (offset as number) >= 0))
    throw invalid('offset must be a whole number')
  return offset as number
}

/** The first is the default. */
function choice<T extends string>(
  header: (name: string) => string | undefined,
  name: string,
  choices: readonly T[],
): T {
  const sent = header(name)?.toLowerCase()
  const found = sent === undefined ? choices[0] : choices.find((each) => each === sent)
  if (found === undefined) throw invalid(`${name} is one of ${choices.join(', ')}`)
  return found
}

function milliseconds(
  header: (name: string) => string | undefined,
  name: string,
  usual: number,
  max: number,
): number {
  const sent = header(name)
  if (sent === undefined) return usual
  const ms = Number(sent)
  if (!/^\d+$/.test(sent) || ms < 1 || ms > max)
    throw invalid(`${name} is 1 to ${max} milliseconds`)
  return ms
}

function invalid(what: string): KafkaRestError {
  return new KafkaRestError('INVALID_REQUEST', what)
}
