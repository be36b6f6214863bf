import type { TopicPartition } from '../../../contract/log/kafka-rest.ts'

/** An instance of a consumer group. */
export interface Member {
  group: string
  instance: string
}

/** Where an instance reads on; undefined where the group has never read. */
export interface Assigned extends TopicPartition {
  offset: number | undefined
}

/** Hands an instance the records from `from`, as it was assigned, to before `next`. */
export interface Move extends TopicPartition {
  from: number | undefined
  next: number
}
