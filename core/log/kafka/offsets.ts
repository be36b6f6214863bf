import { type PartitionOffsets, UnknownTopicError } from '../log.ts'
import type { Brokers } from './brokers.ts'
import { listOffsetsRequest, type Which } from './protocol/requests.ts'
import { ERROR_CODES, KafkaError, NOT_LEADER_ERRORS } from './protocol/wire.ts'

const RETRY_MS = 50
/** The leader has only just become it, and does not know the end yet. */
const SOON = new Set([...NOT_LEADER_ERRORS, 'OFFSET_NOT_AVAILABLE'])

/** For each partition of the topic, the first offset held, the next one, and the end where that is another. */
export async function readOffsets(
  brokers: Brokers,
  topic: string,
  msMax: number,
): Promise<PartitionOffsets[]> {
  const [firsts, nexts, ends] = await listOffsets(brokers, topic, ['first', 'next', 'end'], msMax)
  return [...(firsts ?? [])].map(([partition, logStartOffset]) => {
    const lastStableOffset = nexts?.get(partition) as number
    const logEndOffset = ends?.get(partition) as number
    return {
      partition,
      logStartOffset,
      lastStableOffset,
      ...(logEndOffset > lastStableOffset && { logEndOffset }),
    }
  })
}

/** For each partition, the first offset that was taken at `ms` or later; the next one where there is none. */
export async function offsetsAt(
  brokers: Brokers,
  topic: string,
  ms: number,
  msMax: number,
): Promise<ReadonlyMap<number, number>> {
  const [at, next] = await listOffsets(brokers, topic, [ms, 'next'], msMax)
  return new Map(
    [...(at ?? [])].map(([partition, offset]) => [
      partition,
      offset >= 0 ? offset : (next?.get(partition) as number),
    ]),
  )
}

/** One answer for each thing asked, by partition in ascending order. */
async function listOffsets(
  brokers: Brokers,
  topic: string,
  asked: readonly (Which | number)[],
  msMax: number,
): Promise<Map<number, number>[]> {
  const deadline = performance.now() + msMax
  const left = () => Math.max(1, deadline - performance.now())
  for (let attempt = 0; ; attempt++)
    try {
      const leaders = await brokers.leaders(topic, left(), attempt > 0)
      const found = asked.map(() => new Map(leaders.map((_, partition) => [partition, 0])))
      await Promise.all([...new Set(leaders)].map((leader) => askLeader(leader, leaders, found)))
      return found
    } catch (error) {
      const wait = RETRY_MS * 2 ** attempt
      if (isHopeless(error) || performance.now() + wait >= deadline) {
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
    if (leader < 0) throw new KafkaError(5, `${topic}/${partitions[0]}`)
    // By the time that a silent one is given up, another may lead.
    const wire = await brokers.connectionTo(leader, left() / 2)
    const answers = await Promise.all(
      asked.map((each) => wire.request(listOffsetsRequest(topic, partitions, each), left())),
    )
    answers.forEach((answer, i) => {
      for (const { partition, errorCode, offset } of answer) {
        if (errorCode !== 0)
          throw new KafkaError(errorCode, `${topic}/${partition} ${ERROR_CODES[errorCode] ?? ''}`)
        found[i]?.set(partition, offset)
      }
    })
  }
}

/** Everything else passes when another broker leads: no connection, no answer, not the leader. */
function isHopeless(error: unknown): boolean {
  if (error instanceof KafkaError) return !SOON.has(error.code)
  return error instanceof UnknownTopicError
}
