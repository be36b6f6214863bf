import type { Brokers } from './brokers.ts'
import { KafkaError } from './protocol/wire.ts'

/** Moves a group's committed offsets along with what was applied. */
export interface OffsetCommitter {
  note(topic: string, next: ReadonlyMap<number, number>): void
  /** Tells the last of it, if Kafka answers at once. */
  close(): Promise<void>
}

export interface CommitterDeps {
  brokers: Brokers
  group: string
  onError: (error: unknown) => void
}

const EVERY_MS = 1_000
const COMMIT_MS_MAX = 2_000
const LAST_COMMIT_MS_MAX = 500
const TOLD_AFTER = 5

interface OffsetCommitted {
  responses: { topic: string; partitions: { partition: number; errorCode: number }[] }[]
}

/**
 * What kafka-consumer-groups and the like show as lag. Positions are in Postgres, so nothing depends on it: it is late
 * by a second, nobody waits for it, and nobody ever reads it back.
 */
export function createOffsetCommitter({
  brokers,
  group,
  onError: onTrouble,
}: CommitterDeps): OffsetCommitter {
  const noted = new Map<string, Map<number, number>>()
  let timer: NodeJS.Timeout | undefined
  let committing: Promise<void> = Promise.resolve()
  let failures = 0
  let closed = false

  function commitSoon(): void {
    timer ??= setTimeout(() => {
      timer = undefined
      committing = commit(COMMIT_MS_MAX)
    }, EVERY_MS).unref()
  }

  async function commit(msMax: number): Promise<void> {
    const taken = new Map(noted)
    const topics = [...taken].map(([topic, next]) => ({
      topic,
      partitions: [...next].map(([partition, offset]) => ({ partition, offset: `${offset}` })),
    }))
    noted.clear()
    if (topics.length === 0) return
    try {
      const deadline = performance.now() + msMax
      const wire = await brokers.coordinator(group, msMax)
      const { responses } = await wire.request(
        {
          api: 'OffsetCommit',
          // A member of no generation: nobody else is in this group.
          fields: { groupId: group, groupGenerationId: -1, memberId: '', topics },
          read: (answer: OffsetCommitted) => answer,
        },
        Math.max(1, deadline - performance.now()),
      )
      for (const { topic, partitions } of responses)
        for (const { partition, errorCode } of partitions)
          if (errorCode !== 0) throw new KafkaError(errorCode, `${topic}/${partition}`)
      failures = 0
    } catch (error) {
      // A cluster that has never kept an offset first makes the topic for them. Then told once: whoever lacks the
      // right to commit would hear of it every second.
      if (++failures === TOLD_AFTER) onTrouble(error)
      // Unless there is something newer, this is tried again.
      for (const [topic, next] of taken)
        noted.set(topic, new Map([...next, ...(noted.get(topic) ?? [])]))
      if (!closed) commitSoon()
    }
  }

  return {
    note(topic, next) {
      const of = noted.get(topic) ?? new Map<number, number>()
      for (const [partition, offset] of next) of.set(partition, offset)
      noted.set(topic, of)
      commitSoon()
    },
    async close() {
      closed = true
      clearTimeout(timer)
      await committing
      await commit(LAST_COMMIT_MS_MAX)
    },
  }
}
