import type { Log, PartitionOffsets } from '../../log/log.ts'

export type TopicOffsets = ReadonlyMap<number, PartitionOffsets>

/** Where topics begin and end, asked of the log as seldom as can be, however many wait for more. */
export interface HighWatermarks {
  /** As the log is now: an answer that was begun before is nobody's. */
  read(topic: string): Promise<TopicOffsets>
  /** To be taken before looking: resolves when there may be more than was seen. */
  untilChange(): Promise<void>
  /** Something was appended here; what others append is found by looking. */
  notify(): void
}

/** How often it is looked for what other processes append, while somebody waits. */
const LOOK_MS = 200
/** So that dense traffic does not make everybody look at each append. */
const RING_MS_MIN = 20

export function createHighWatermarks(log: Pick<Log, 'offsets'>): HighWatermarks {
  const looks = new Map<string, () => Promise<TopicOffsets>>()
  let pulse: { promise: Promise<void>; end: () => void; timer: NodeJS.Timeout } | undefined
  let rangAt = Number.NEGATIVE_INFINITY

  return {
    read(topic) {
      let look = looks.get(topic)
      if (!look) {
        look = together(async () => {
          const bounds = await log.offsets(topic)
          return new Map(bounds.map((each) => [each.partition, each]))
        })
        looks.set(topic, look)
      }
      return look()
    },

    untilChange() {
      if (!pulse) {
        const { promise, resolve } = Promise.withResolvers<void>()
        const end = () => {
          clearTimeout(pulse?.timer)
          pulse = undefined
          rangAt = performance.now()
          resolve()
        }
        pulse = { promise, end, timer: setTimeout(end, LOOK_MS) }
      }
      return pulse.promise
    },

    notify() {
      if (!pulse) return
      const early = rangAt + RING_MS_MIN - performance.now()
      clearTimeout(pulse.timer)
      if (early > 0) pulse.timer = setTimeout(pulse.end, early)
      else pulse.end()
    },
  }
}

/** One call at a time; those who come meanwhile share the one after it. */
function together<T>(call: () => Promise<T>): () => Promise<T> {
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
