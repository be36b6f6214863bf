/** The owner of a partition, where it is alive. */
export interface Lease {
  partition: number
  workerId: string | null
}

export interface AssignmentChange {
  /** Free partitions that become ours. */
  take: number[]
  /** Ours that we have to give up, so that another worker can have them. */
  revoke: number[]
}

/**
 * Every live worker gets as many partitions as any other, or one more, and no partition moves without need. All
 * workers come to the same numbers by themselves, from the same rows.
 * @param alive the workers' ids, ours among them
 */
export function computeAssignment(
  workerId: string,
  alive: readonly string[],
  leases: readonly Lease[],
): AssignmentChange {
  const rank = [...alive].sort().indexOf(workerId)
  const least = Math.floor(leases.length / alive.length)
  const target = least + (rank < leases.length % alive.length ? 1 : 0)
  const partitionsOf = (owner: string | null) =>
    leases.filter((lease) => lease.workerId === owner).map(({ partition }) => partition)
  const owned = partitionsOf(workerId)
  return {
    take: partitionsOf(null).slice(0, Math.max(0, target - owned.length)),
    revoke: owned.slice(target),
  }
}

/** 6 partitions over 2 consumers: [0, 2, 4] and [1, 3, 5]. */
export function roundRobin(partitions: readonly number[], consumers: number): number[][] {
  const groups = Array.from({ length: Math.min(consumers, partitions.length) }, (): number[] => [])
  partitions.forEach((partition, i) => {
    groups[i % groups.length]?.push(partition)
  })
  return groups
}
