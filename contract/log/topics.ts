/** The two topics, and the number of partitions each is created with. */
export const TOPICS = {
  raw: { name: 'events.raw', partitions: 6 },
  deadLetters: { name: 'events.dlq', partitions: 3 },
} as const

export const PARTITIONS: ReadonlyMap<string, number> = new Map(
  Object.values(TOPICS).map(({ name, partitions }) => [name, partitions]),
)

/**
 * The key that decides a record's partition. An actor's events stay in order, and a retry of an event
 * without an actor goes to the partition of its first attempt, on which deduplication relies.
 */
export function recordKey(tenant: string, event: { event_id: string; actor?: string }): string {
  return `${tenant}:${event.actor ?? event.event_id}`
}
