import { KafkaRestError } from '../kafka-rest-error.ts'
import type { Assigned, Groups, Member, Move } from './groups.ts'
import { type LongPoll, OutOfRangeError, type PolledRecords, type ReadFrom } from './long-poll.ts'

export interface ConsumeRequest extends Member {
  topics: readonly string[]
  waitMs: number
  sessionMs: number
  /** After which what was handed out counts as committed; undefined: when it is committed, and not before. */
  commitMs: number | undefined
  /** Where to begin where the group has never been, or where the log does not hold any more what comes next. */
  reset: 'earliest' | 'latest' | 'none'
}

export interface ConsumeDeps {
  groups: Groups
  reader: LongPoll
  /** Told where an instance was moved over records that are gone, or back because the log is shorter. */
  onReset: (what: string) => void
}

/**
 * Reads on for one instance of a group. Records that were read are handed out only after their group has moved over
 * them, so no two requests are ever handed the same ones, unless an instance is given up with some not committed.
 */
export function createConsume({ groups, reader, onReset }: ConsumeDeps) {
  return async function consume(
    request: ConsumeRequest,
    signal: AbortSignal,
  ): Promise<PolledRecords[]> {
    const { commitMs, waitMs } = request
    const deadline = performance.now() + waitMs
    do {
      const left = Math.max(0, deadline - performance.now())
      const assigned = await groups.join({ ...request, aliveMs: request.sessionMs + left })
      const places = await begin(request, assigned)
      const found = await reader.poll(places, left, signal).catch((error) => {
        // It was dropped while we waited: the next round begins anew where the request says.
        if (error instanceof OutOfRangeError) return []
        throw error
      })
      // Who has gone away would never know what it was handed.
      if (found.length === 0 || signal.aborted) continue
      const made = await groups.handOver(request, found, commitMs)
      const handed = found.filter((each) => made.includes(each))
      if (handed.length > 0) return handed
    } while (performance.now() < deadline && !signal.aborted)
    return []
  }

  /** Where to read; where the group has no place yet, or one that is gone, it gets one now, and keeps it. */
  async function begin(
    request: ConsumeRequest,
    assigned: readonly Assigned[],
  ): Promise<ReadFrom[]> {
    const places: ReadFrom[] = []
    const moves: Move[] = []
    const topics = [...new Set(assigned.map(({ topic }) => topic))]
    const bounds = new Map(
      await Promise.all(
        topics.map(async (topic) => [topic, await reader.highWatermarks.read(topic)] as const),
      ),
    )
    for (const { topic, partition, offset } of assigned) {
      const holds = bounds.get(topic)?.get(partition)
      if (!holds) continue
      if (
        offset !== undefined &&
        offset >= holds.logStartOffset &&
        offset <= holds.lastStableOffset
      ) {
        places.push({ topic, partition, offset })
        continue
      }
      if (request.reset === 'none')
        throw offset === undefined
          ? new KafkaRestError(409, `NO_OFFSET: the group has no position in ${topic}/${partition}`)
          : new OutOfRangeError({ topic, partition, offset }, holds)
      const next = request.reset === 'earliest' ? holds.logStartOffset : holds.lastStableOffset
      if (offset !== undefined)
        onReset(`group ${request.group} went from ${offset} to ${next} in ${topic}/${partition}`)
      moves.push({ topic, partition, from: offset, next })
    }
    if (moves.length === 0) return places
    const made = await groups.handOver(request, moves, request.commitMs)
    return [...places, ...made.map(({ next, ...place }) => ({ ...place, offset: next }))]
  }
}
