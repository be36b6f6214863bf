import type { Brokers } from './brokers.ts'
import { KafkaError } from './errors.ts'
import { offsetCommitRequest } from './protocol/offset-commit.ts'

/** Moves a group's committed offsets along with what was applied. */
export interface OffsetCommitter {
  note(topic: string, next: ReadonlyMap<number, number>): void
  /** Commits the last offsets, if Kafka answers at once. */
  close(): Promise<void>
}

export interface OffsetCommitterDeps {
  brokers: Brokers
  group: string
  onError: (error: unknown) => void
}

const INTERVAL_MS = 1_000
const COMMIT_MS_MAX = 2_000
const LAST_COMMIT_MS_MAX = 500
const REPORTED_AFTER_FAILURES = 5

/**
 * What kafka-consumer-groups and the like show as lag. Offsets are in Postgres, so nothing depends on this: it is late
 * by a second, nobody waits for it, and nobody ever reads it back.
 */
export function createOffsetCommitter(deps: OffsetCommitterDeps): OffsetCommitter {
  const { brokers, group, onError } = deps
  const noted = new Map<string, Map<number, number>>()
  let timer: NodeJS.Timeout | undefined
  let committing: Promise<void> = Promise.resolve()
  let failures = 0
  let closed = false

  function commitSoon(): void {
    timer ??= setTimeout(() => {
      timer = undefined
      committing = commit(COMMIT_MS_MAX)
    }, INTERVAL_MS).unref()
  }

  async function commit(msMax: number): Promise<void> {
    const offsets = new Map(noted)
    noted.clear()
    if (offsets.size === 0) return
    try {
      const deadline = performance.now() + msMax
      const connection = await brokers.coordinator(group, msMax)
      const committed = await connection.send(
        offsetCommitRequest(group, offsets),
        Math.max(1, deadline - performance.now()),
      )
      for (const { topic, partition, errorCode } of committed)
        if (errorCode !== 0) throw new KafkaError(errorCode, `${topic}/${partition}`)
      failures = 0
    } catch (error) {
      // A cluster that has never kept an offset creates the topic for them first. Then reported once: without the
      // right to commit there would be an error every second.
      if (++failures === REPORTED_AFTER_FAILURES) onError(error)
      // Unless there is something newer, this is tried again.
      for (const [topic, next] of offsets)
        noted.set(topic, new Map([...next, ...(noted.get(topic) ?? [])]))
      if (!closed) commitSoon()
    }
  }

  return {
    note(topic, next) {
      const offsets = noted.get(topic) ?? new Map<number, number>()
      for (const [partition, offset] of next) offsets.set(partition, offset)
      noted.set(topic, offsets)
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
