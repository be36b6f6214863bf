/** Who holds a partition now, where somebody does who is alive. */
export interface Lease {
  partition: number
  workerId: string | null
}

export interface Decision {
  /** Free ones that become ours. */
  take: number[]
  /** Ours that we are to let go of, so that another one can have them. */
  yield: number[]
}

/**
 * Every worker that is alive gets as many partitions as any other, or one more; nobody's are moved for beauty. All of
 * them come to the same numbers by themselves, from the same rows.
 * @param alive the workers' ids, ours among them
 */
export function decideShare(
  workerId: string,
  alive: readonly string[],
  leases: readonly Lease[],
): Decision {
  const rank = [...alive].sort().indexOf(workerId)
  const each = Math.floor(leases.length / alive.length)
  const share = each + (rank < leases.length % alive.length ? 1 : 0)
  const mine = leases
    .filter((lease) => lease.workerId === workerId)
    .map(({ partition }) => partition)
  const free = leases.filter((lease) => lease.workerId === null).map(({ partition }) => partition)
  return {
    take: free.slice(0, Math.max(0, share - mine.length)),
    yield: mine.slice(share),
  }
}

/** 6 partitions over 2 lanes: [0, 2, 4] and [1, 3, 5]. */
export function shareOut(partitions: readonly number[], lanes: number): number[][] {
  const shares = Array.from({ length: Math.min(lanes, partitions.length) }, (): number[] => [])
  partitions.forEach((partition, i) => {
    shares[i % shares.length]?.push(partition)
  })
  return shares
}
