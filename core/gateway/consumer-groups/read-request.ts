import { LIMITS } from '../../../contract/limits.ts'
import type { TopicPartition, TopicPartitionOffset } from '../../../contract/log/kafka-rest.ts'
import { KafkaRestError } from '../kafka-rest-error.ts'
import type { ConsumeRequest } from './consume.ts'

/** What the bodies and headers of the reading requests say. All of these throw RefusedError. */

export type Partitions = ReadonlyMap<string, number>

/** Of a group or an instance, out of the path. */
export function readName(sent: string | undefined, what: 'group' | 'instance'): string {
  const name = sent ?? ''
  // Anything that Postgres can keep and a person can read.
  if (name === '' || name.length > LIMITS.consumerNameCharsMax || /\p{C}/u.test(name))
    throw bad(`the ${what}'s name must be 1 to ${LIMITS.consumerNameCharsMax} printable characters`)
  return name
}

/** One, an array of them, or nothing at all: then the array is empty. */
export function readTopicPartitions(body: unknown, partitions: Partitions): TopicPartition[] {
  return listOf(body).map((item) => readTopicPartition(item, partitions))
}

export function readOffsets(body: unknown, partitions: Partitions): TopicPartitionOffset[] {
  return listOf(body).map((item) => {
    const place = readTopicPartition(item, partitions)
    return { ...place, offset: readOffset((item as { offset?: unknown }).offset) }
  })
}

export interface FetchRequest {
  from: TopicPartitionOffset[]
  waitMs: number
}

/** One place at the top, several in `topicPartitionOffsets`, or both. */
export function readFetch(body: unknown, partitions: Partitions): FetchRequest {
  if (!isObject(body)) throw bad('the body must be a JSON object')
  const { timeout, topicPartitionOffsets = [], ...single } = body
  const places = [
    ...(single.topic === undefined ? [] : readOffsets(startingAtNought(single), partitions)),
    ...readOffsets(topicPartitionOffsets ?? [], partitions),
  ]
  if (places.length === 0) throw bad('name a topic, a partition and an offset')
  const names = new Set(places.map(({ topic, partition }) => `${topic}/${partition}`))
  if (names.size < places.length) throw bad('name each partition once')
  return { from: places, waitMs: readWait(timeout) }
}

/** @upstash/kafka's own example leaves the offset out. */
function startingAtNought(single: Record<string, unknown>) {
  return { ...single, offset: single.offset ?? 0 }
}

export function readConsume(
  body: unknown,
  header: (name: string) => string | undefined,
  partitions: Partitions,
): Omit<ConsumeRequest, 'group' | 'instance'> {
  if (!isObject(body)) throw bad('the body must be a JSON object')
  const { topic, topics = [], timeout } = body
  if (!Array.isArray(topics)) throw bad('topics must be an array')
  const wanted = new Set([...(topic === undefined ? [] : [topic]), ...topics])
  if (wanted.size === 0 || wanted.size > LIMITS.gatewayPartitionsMax)
    throw bad(`name 1 to ${LIMITS.gatewayPartitionsMax} topics`)
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
    throw bad('the timestamp must be earliest, latest or milliseconds since 1970')
  return ms
}

/** How long to wait for records. Longer than we ever do is as long as we do. */
export function readWait(sent: unknown): number {
  if (sent === undefined || sent === null) return LIMITS.gatewayWaitMsDefault
  if (!(Number.isSafeInteger(sent) && (sent as number) >= 0))
    throw bad('timeout must be a whole number of milliseconds')
  return Math.min(sent as number, LIMITS.gatewayWaitMsMax)
}

function listOf(body: unknown): unknown[] {
  const items = body === undefined || body === null ? [] : [body].flat()
  if (items.length > LIMITS.gatewayPartitionsMax)
    throw new KafkaRestError(
      413,
      `at most ${LIMITS.gatewayPartitionsMax} partitions in one request`,
    )
  return items
}

function readTopicPartition(item: unknown, partitions: Partitions): TopicPartition {
  if (!isObject(item)) throw bad('a partition is an object with a topic and a partition')
  const { topic, partition } = item
  const count = partitionsOf(topic, partitions)
  if (!(Number.isInteger(partition) && (partition as number) >= 0 && (partition as number) < count))
    throw new KafkaRestError(404, `partition must be a whole number from 0 to ${count - 1}`)
  return { topic: topic as string, partition: partition as number }
}

function partitionsOf(topic: unknown, partitions: Partitions): number {
  if (typeof topic !== 'string') throw bad('topic must be a string')
  const count = partitions.get(topic)
  // Not repeated to the sender: a topic of any length and kind may have been sent.
  if (count === undefined) throw new KafkaRestError(404, 'unknown topic')
  return count
}

function readOffset(offset: unknown): number {
  if (!(Number.isSafeInteger(offset) && (offset as number) >= 0))
    throw bad('offset must be a whole number')
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
  if (found === undefined) throw bad(`${name} is one of ${choices.join(', ')}`)
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
  if (!/^\d+$/.test(sent) || ms < 1 || ms > max) throw bad(`${name} is 1 to ${max} milliseconds`)
  return ms
}

function bad(what: string): KafkaRestError {
  return new KafkaRestError(400, what)
}

function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}
