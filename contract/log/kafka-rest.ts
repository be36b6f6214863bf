import * as z from 'zod/mini'

/**
 * Upstash's REST-Kafka protocol, as far as @upstash/kafka uses it.
 * @see https://github.com/upstash/docs/tree/main/kafka/rest
 */

/** POST /produce accepts one of these or an array; POST /produce/{topic} accepts them without a topic. */
export interface ProduceRecord {
  topic: string
  value: string
  key?: string
  partition?: number
  /** Accepted and ignored: the log stamps its own time. */
  timestamp?: number
  headers?: { key: string; value: string }[]
}

/** One result for each record, in the order of the request. */
export interface ProduceResult {
  topic: string
  partition: number
  offset: number
  /** Milliseconds since the epoch. */
  timestamp: number
}

/** POST /fetch and POST /consume/{group}/{instance} return an array of these. */
export interface ConsumedMessage extends ProduceResult {
  /** '' where the record has no key. */
  key: string
  value: string
  headers: { key: string; value: string }[]
}

export interface TopicPartition {
  topic: string
  partition: number
}

/** As in Kafka, a committed offset is that of the next record to read. */
export interface TopicPartitionOffset extends TopicPartition {
  offset: number
}

/** GET /consumers returns an array of these. */
export interface GroupAssignments {
  name: string
  instances: { name: string; topics: { topic: string; partitions: number[] }[] }[]
}

/** What every failure looks like. */
export interface KafkaRestError {
  error: string
  status: number
}

export const produceResults = z.array(
  z.object({
    topic: z.string(),
    partition: z.int(),
    offset: z.int(),
    timestamp: z.number(),
  }),
) satisfies z.ZodMiniType<ProduceResult[]>
