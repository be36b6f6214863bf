export interface Instance {
  name: string
  topics: readonly string[]
}

/**
 * Which instance reads which partitions: each topic's are assigned round-robin to the instances that read the topic,
 * in the order of their names. It depends on the present instances alone, so nothing has to be stored.
 * @returns by instance, then by topic; partitions in ascending order
 */
export function assign(
  instances: readonly Instance[],
  partitions: ReadonlyMap<string, number>,
): Map<string, Map<string, number[]>> {
  const sorted = [...instances].sort((a, b) => (a.name < b.name ? -1 : 1))
  const assigned = new Map(sorted.map(({ name }) => [name, new Map<string, number[]>()]))
  for (const [topic, count] of partitions) {
    const readers = sorted.filter(({ topics }) => topics.includes(topic))
    for (const { name } of readers) assigned.get(name)?.set(topic, [])
    for (let partition = 0; partition < count && readers.length > 0; partition++)
      assigned
        .get(readers[partition % readers.length]?.name ?? '')
        ?.get(topic)
        ?.push(partition)
  }
  return assigned
}
