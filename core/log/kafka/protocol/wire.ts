/**
 * One connection to one broker: what we ask of it, without the library that asks (kafka.ts). Requests are answered in
 * the order they were made. A request that has no answer in time closes the connection: whoever waits on a half-dead
 * socket waits for ever (tulios/kafkajs#1783), so nobody is given it again.
 */
export interface BrokerConnection {
  /** false once it was closed, by either side. */
  readonly isUsable: boolean
  request<T>(request: WireRequest<T>, msMax: number): Promise<T>
  /** Everything under way rejects, at once. */
  close(reason?: Error): void
}

/** Either one that the library knows by its name, or one of our own spelling. */
export type WireRequest<T> = KnownRequest<T> | OwnRequest<T>

export interface KnownRequest<T> {
  api: 'Metadata' | 'ListOffsets' | 'GroupCoordinator' | 'OffsetCommit' | 'CreateTopics'
  fields: object
  /** The answer as it came, error codes and all. */
  read: (answer: never) => T
}

export interface OwnRequest<T> {
  apiKey: number
  apiVersion: number
  body: Buffer
  read: (answer: Buffer) => T
}

export interface Address {
  host: string
  port: number
}

export type Connect = (to: Address, msMax: number) => Promise<BrokerConnection>

/** No broker answers, or none lets us in. */
export class KafkaUnreachableError extends Error {
  /** For where hosts are nobody's business. */
  readonly code = 'KAFKA_UNREACHABLE'

  constructor(where: string, why: string, options?: ErrorOptions) {
    super(`no Kafka broker answers at ${where} (${why})`, options)
    this.name = 'KafkaUnreachableError'
  }
}

export class KafkaTimeoutError extends Error {
  readonly code = 'KAFKA_TIMEOUT'

  constructor(what: string, msMax: number) {
    super(`Kafka did not answer ${what} within ${Math.round(msMax)} ms`)
    this.name = 'KafkaTimeoutError'
  }
}

/** A record that the topic does not take. */
export class RecordTooLargeError extends RangeError {
  constructor(topic: string, bytes: number) {
    super(
      `a record of ${bytes} bytes is larger than ${topic} takes; raise the topic's max.message.bytes`,
    )
    this.name = 'RecordTooLargeError'
  }
}

/** What a broker answered instead of doing what it was asked. */
export class KafkaError extends Error {
  readonly code: string

  constructor(code: number, about: string) {
    const name = ERROR_CODES[code] ?? `ERROR_${code}`
    super(`${about}: Kafka says ${name}`)
    this.name = 'KafkaError'
    this.code = name
  }
}

/** @see https://kafka.apache.org/protocol#protocol_error_codes */
export const ERROR_CODES: Readonly<Record<number, string>> = {
  [-1]: 'UNKNOWN_SERVER_ERROR',
  1: 'OFFSET_OUT_OF_RANGE',
  2: 'CORRUPT_MESSAGE',
  3: 'UNKNOWN_TOPIC_OR_PARTITION',
  5: 'LEADER_NOT_AVAILABLE',
  6: 'NOT_LEADER_OR_FOLLOWER',
  7: 'REQUEST_TIMED_OUT',
  9: 'REPLICA_NOT_AVAILABLE',
  10: 'MESSAGE_TOO_LARGE',
  14: 'COORDINATOR_LOAD_IN_PROGRESS',
  15: 'COORDINATOR_NOT_AVAILABLE',
  16: 'NOT_COORDINATOR',
  17: 'INVALID_TOPIC_EXCEPTION',
  18: 'RECORD_LIST_TOO_LARGE',
  19: 'NOT_ENOUGH_REPLICAS',
  20: 'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  25: 'UNKNOWN_MEMBER_ID',
  29: 'TOPIC_AUTHORIZATION_FAILED',
  30: 'GROUP_AUTHORIZATION_FAILED',
  31: 'CLUSTER_AUTHORIZATION_FAILED',
  36: 'TOPIC_ALREADY_EXISTS',
  38: 'INVALID_REPLICATION_FACTOR',
  40: 'INVALID_CONFIG',
  44: 'POLICY_VIOLATION',
  56: 'KAFKA_STORAGE_ERROR',
  74: 'FENCED_LEADER_EPOCH',
  75: 'UNKNOWN_LEADER_EPOCH',
  78: 'OFFSET_NOT_AVAILABLE',
  87: 'INVALID_RECORD',
  89: 'THROTTLING_QUOTA_EXCEEDED',
}

/** The broker asked is not, or no longer, the one to ask: ask who is, and ask that one. */
export const NOT_LEADER_ERRORS: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_OR_FOLLOWER',
  'REPLICA_NOT_AVAILABLE',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
])
