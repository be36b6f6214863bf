import { backoffMs } from '../../lib/backoff.ts'
import { type PartitionOffsets, UnknownTopicError } from '../log.ts'
import type { Brokers } from './brokers.ts'
import { KafkaError } from './errors.ts'
import { NOT_LEADER_ERRORS } from './protocol/error-codes.ts'
import { listOffsetsRequest, type OffsetKind } from './protocol/list-offsets.ts'

const RETRY_MS = 50
const LEADER_NOT_AVAILABLE = 5
/** OFFSET_NOT_AVAILABLE: the leader has only just become it, and does not know the end yet. */
const RETRYABLE = new Set([...NOT_LEADER_ERRORS, 'OFFSET_NOT_AVAILABLE'])

/** For each partition of the topic, the first offset held, the last stable one, and the end where that is another. */
export async function readOffsets(
  brokers: Brokers,
  topic: string,
  msMax: number,
): Promise<PartitionOffsets[]> {
  const [logStarts, lastStables, logEnds] = await listOffsets(
    brokers,
    topic,
    ['logStart', 'lastStable', 'logEnd'],
    msMax,
  )
  return [...(logStarts ?? [])].map(([partition, logStartOffset]) => {
    const lastStableOffset = lastStables?.get(partition) as number
    const logEndOffset = logEnds?.get(partition) as number
    return {
      partition,
      logStartOffset,
      lastStableOffset,
      ...(logEndOffset > lastStableOffset && { logEndOffset }),
    }
  })
}

/** For each partition, the first offset that was appended at `ms` or later; the last stable one where there is none. */
export async function offsetsAt(
  brokers: Brokers,
  topic: string,
  ms: number,
  msMax: number,
): Promise<ReadonlyMap<number, number>> {
  const [at, lastStables] = await listOffsets(brokers, topic, [ms, 'lastStable'], msMax)
  return new Map(
    [...(at ?? [])].map(([partition, offset]) => [
      partition,
      offset >= 0 ? offset : (lastStables?.get(partition) as number),
    ]),
  )
}

/** For each of `wanted`, the offsets by partition in ascending order. */
async function listOffsets(
  brokers: Brokers,
  topic: string,
  wanted: readonly (OffsetKind | number)[],
  msMax: number,
): Promise<Map<number, number>[]> {
  const deadline = performance.now() + msMax
  const left = () => Math.max(1, deadline - performance.now())
  for (let attempt = 0; ; attempt++)
    try {
      const leaders = await brokers.leaders(topic, left(), attempt > 0)
      const found = wanted.map(() => new Map(leaders.map((_, partition) => [partition, 0])))
      await Promise.all([...new Set(leaders)].map((leader) => askLeader(leader, leaders, found)))
      return found
    } catch (error) {
      const wait = backoffMs(attempt, { baseMs: RETRY_MS })
      if (!isRetryable(error) || performance.now() + wait >= deadline) {
        brokers.forget(topic)
        throw error
      }
      await new Promise((resolve) => setTimeout(resolve, wait))
    }

  async function askLeader(
    leader: number,
    leaders: readonly number[],
    found: readonly Map<number, number>[],
  ): Promise<void> {
    const partitions = [...leaders.keys()].filter((partition) => leaders[partition] === leader)
    if (leader < 0) throw new KafkaError(LEADER_NOT_AVAILABLE, `${topic}/${partitions[0]}`)
    // By the time that a silent broker is given up, another may lead.
    const connection = await brokers.connectionTo(leader, left() / 2)
    const responses = await Promise.all(
      wanted.map((each) => connection.send(listOffsetsRequest(topic, partitions, each), left())),
    )
    responses.forEach((response, i) => {
      for (const { partition, errorCode, offset } of response) {
        if (errorCode !== 0) throw new KafkaError(errorCode, `${topic}/${partition}`)
        found[i]?.set(partition, offset)
      }
    })
  }
}

/** Another leader cures everything else: no connection, no response, not the leader. */
function isRetryable(error: unknown): boolean {
  if (error instanceof KafkaError) return RETRYABLE.has(error.code)
  return !(error instanceof UnknownTopicError)
}
