import type { TopicPartitionOffset } from '../../../contract/log/kafka-rest.ts'
import { KafkaRestError } from '../kafka-rest-error.ts'
import type { Groups } from './groups.ts'
import { type LongPoll, OutOfRangeError, type PolledRecords } from './long-poll.ts'
import type { Assigned, Member, Move } from './membership.ts'

export interface ConsumeRequest extends Member {
  topics: readonly string[]
  waitMs: number
  sessionMs: number
  /** After which what was handed out counts as committed; undefined: only the client commits. */
  commitMs: number | undefined
  /** Where to begin where the group has never read, or where the log no longer holds what comes next. */
  reset: 'earliest' | 'latest' | 'none'
}

export interface ConsumeDeps {
  groups: Groups
  longPoll: LongPoll
  /** Called when an instance was moved over records that are gone, or back because the log is shorter. */
  onReset: (what: string) => void
}

/**
 * Reads on for one instance of a group. Records that were read are handed out only after their group has moved over
 * them, so no two requests are ever handed the same ones, unless an instance expires with some not committed.
 */
export function createConsume({ groups, longPoll, onReset }: ConsumeDeps) {
  return async function consume(
    request: ConsumeRequest,
    signal: AbortSignal,
  ): Promise<PolledRecords[]> {
    const { commitMs, waitMs } = request
    const deadline = performance.now() + waitMs
    do {
      const left = Math.max(0, deadline - performance.now())
      const assigned = await groups.join({ ...request, sessionMs: request.sessionMs + left })
      const from = await startOffsets(request, assigned)
      const found = await longPoll.poll(from, left, signal).catch((error) => {
        // It was dropped while we waited: the next round begins where the request says.
        if (error instanceof OutOfRangeError) return []
        throw error
      })
      // A client that has gone away would never know what it was handed.
      if (found.length === 0 || signal.aborted) continue
      const made = await groups.handOver(request, found, commitMs)
      const handed = found.filter((each) => made.includes(each))
      if (handed.length > 0) return handed
    } while (performance.now() < deadline && !signal.aborted)
    return []
  }

  /** Where the group has no offset yet, or one that is out of range, it gets one now, and keeps it. */
  async function startOffsets(
    request: ConsumeRequest,
    assigned: readonly Assigned[],
  ): Promise<TopicPartitionOffset[]> {
    const starts: TopicPartitionOffset[] = []
    const moves: Move[] = []
    const topics = [...new Set(assigned.map(({ topic }) => topic))]
    const offsets = new Map(
      await Promise.all(
        topics.map(async (topic) => [topic, await longPoll.highWatermarks.read(topic)] as const),
      ),
    )
    for (const { topic, partition, offset } of assigned) {
      const held = offsets.get(topic)?.get(partition)
      if (!held) continue
      if (
        offset !== undefined &&
        offset >= held.logStartOffset &&
        offset <= held.lastStableOffset
      ) {
        starts.push({ topic, partition, offset })
        continue
      }
      if (request.reset === 'none')
        throw offset === undefined
          ? new KafkaRestError('NO_OFFSET', `the group has no position in ${topic}/${partition}`)
          : new OutOfRangeError({ topic, partition, offset }, held)
      const next = request.reset === 'earliest' ? held.logStartOffset : held.lastStableOffset
      if (offset !== undefined)
        onReset(`group ${request.group} went from ${offset} to ${next} in ${topic}/${partition}`)
      moves.push({ topic, partition, from: offset, next })
    }
    if (moves.length === 0) return starts
    const made = await groups.handOver(request, moves, request.commitMs)
    return [
      ...starts,
      ...made.map(({ topic, partition, next }) => ({ topic, partition, offset: next })),
    ]
  }
}
