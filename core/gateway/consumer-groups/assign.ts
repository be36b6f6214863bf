export interface Instance {
  name: string
  topics: readonly string[]
}

/**
 * Who reads which partitions: each topic's are dealt out in turn among the instances that read the topic, in
 * the order of their names. It follows from who is there alone, so nobody has to remember it.
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
