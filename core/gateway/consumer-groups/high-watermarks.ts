import type { Log, PartitionOffsets } from '../../log/log.ts'

/** By partition. */
export type TopicOffsets = ReadonlyMap<number, PartitionOffsets>

/** Where topics begin and end, read from the log as seldom as can be, however many requests wait for more. */
export interface HighWatermarks {
  /** As the log is now: callers never share a read that began before they asked. */
  read(topic: string): Promise<TopicOffsets>
  /** To be called before `read`: resolves when there may be more than that read has found. */
  untilChange(): Promise<void>
  /** Something was appended by this process; appends of other processes are found by polling. */
  notify(): void
}

/** How often the log is polled for appends of other processes while a request waits. */
const POLL_MS = 200
/** So that in dense traffic not every append makes all waiting requests read. */
const NOTIFY_MS_MIN = 20

export function createHighWatermarks(log: Pick<Log, 'offsets'>): HighWatermarks {
  const reads = new Map<string, () => Promise<TopicOffsets>>()
  let pending: { promise: Promise<void>; end: () => void; timer: NodeJS.Timeout } | undefined
  let changedAt = Number.NEGATIVE_INFINITY

  return {
    read(topic) {
      let read = reads.get(topic)
      if (!read) {
        read = coalesce(async () => {
          const offsets = await log.offsets(topic)
          return new Map(offsets.map((each) => [each.partition, each]))
        })
        reads.set(topic, read)
      }
      return read()
    },

    untilChange() {
      if (!pending) {
        const { promise, resolve } = Promise.withResolvers<void>()
        const end = () => {
          clearTimeout(pending?.timer)
          pending = undefined
          changedAt = performance.now()
          resolve()
        }
        pending = { promise, end, timer: setTimeout(end, POLL_MS) }
      }
      return pending.promise
    },

    notify() {
      if (!pending) return
      const early = changedAt + NOTIFY_MS_MIN - performance.now()
      clearTimeout(pending.timer)
      if (early > 0) pending.timer = setTimeout(pending.end, early)
      else pending.end()
    },
  }
}

/** One call at a time; callers that come during it share the one after it. */
function coalesce<T>(call: () => Promise<T>): () => Promise<T> {
  let current: Promise<T> | undefined
  let following: Promise<T> | undefined
  function begin(): Promise<T> {
    const mine = call().finally(() => {
      if (current === mine) current = undefined
    })
    current = mine
    return mine
  }
  return () => {
    if (!current) return begin()
    following ??= current
      .catch(() => {})
      .then(() => {
        following = undefined
        return begin()
      })
    return following
  }
}
