import * as z from 'zod/mini'

/**
 * Upstash's REST-Kafka protocol, all that @upstash/kafka says in it.
 * @see https://github.com/upstash/docs/tree/main/kafka/rest
 */

/** POST /produce takes one of these or an array; POST /produce/{topic} takes them without a topic. */
export interface ProduceRecord {
  topic: string
  value: string
  key?: string
  partition?: number
  /** Accepted and ignored: the log stamps its own time. */
  timestamp?: number
  headers?: { key: string; value: string }[]
}

/** One for each record, in the order given. */
export interface ProduceResult {
  topic: string
  partition: number
  offset: number
  /** Milliseconds since the epoch. */
  timestamp: number
}

/** What POST /fetch and POST /consume/{group}/{instance} answer an array of. */
export interface ConsumedMessage extends ProduceResult {
  /** '' where the record has none. */
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

/** What GET /consumers answers an array of. */
export interface GroupAssignments {
  name: string
  instances: { name: string; topics: { topic: string; partitions: number[] }[] }[]
}

/** What every failure looks like. */
export interface KafkaRestErrorBody {
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
