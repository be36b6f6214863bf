import * as z from 'zod/mini'

/** Upstash's REST-Kafka protocol, as far as we speak it: POST /produce with one of these or an array. */
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
