import { TOPICS } from '../../../contract/log/topics.ts'
import type { Log, PartitionOffsets } from '../../log/log.ts'
import type { ReplayRange } from './replay.ts'

/** An offset, or the time at which the log took the record. */
export type ReplayBound = number | Date

export interface ReplayRequest {
  from: ReplayBound
  /** Exclusive; the workers' positions unless set. */
  to?: ReplayBound
  /** Every partition unless set. */
  partition?: number
}

/**
 * The offsets to read again, partition by partition. A replay never passes the workers' positions: they read
 * what follows themselves.
 * @param positions the next offset that the workers read, by partition
 * @returns `expired`: how many of the records the log no longer has
 */
export async function resolveReplayRanges(
  log: Log,
  positions: ReadonlyMap<number, number>,
  { from, to, partition: only }: ReplayRequest,
): Promise<{ ranges: ReplayRange[]; expired: number }> {
  const offsets = await log.offsets(TOPICS.raw.name)
  const begin = await offsetsOf(log, offsets, from)
  const end = to === undefined ? undefined : await offsetsOf(log, offsets, to)
  let expired = 0
  const ranges = offsets
    .filter(({ partition }) => only === undefined || partition === only)
    .map(({ partition, logStartOffset }): ReplayRange => {
      const position = positions.get(partition) ?? 0
      const wanted = begin.get(partition) as number
      const until = Math.min(end?.get(partition) ?? position, position)
      expired += Math.max(0, Math.min(logStartOffset, until) - wanted)
      return { partition, from: Math.max(wanted, logStartOffset), to: until }
    })
    .filter((range) => range.from < range.to)
  return { ranges, expired }
}

async function offsetsOf(
  log: Log,
  offsets: readonly PartitionOffsets[],
  bound: ReplayBound,
): Promise<ReadonlyMap<number, number>> {
  if (bound instanceof Date) return log.offsetsAt(TOPICS.raw.name, bound.getTime())
  return new Map(offsets.map(({ partition }) => [partition, bound]))
}
