import { shareOut } from './assignment.ts'
import { type LaneDeps, runLane } from './partition-consumer.ts'

/** The lanes of a worker, as many as there are partitions for. */
export interface Lanes {
  /** Lets lanes read these partitions and no others, as soon as those that have to end have ended their batch. */
  share(partitions: readonly number[]): void
  /** What is being read, by lanes that have yet to end too. */
  held(): ReadonlySet<number>
  /** Rejects when a lane has ended although nobody told it to: a bug. */
  readonly broken: Promise<never>
  /** Resolves when every lane has ended its batch. */
  stop(): Promise<void>
}

interface Running {
  partitions: readonly number[]
  stop: AbortController
  ended: Promise<void>
}

export interface LanesOptions {
  deps: LaneDeps
  lanes: number
  tag: string
  /** Told whenever a lane has ended, so what it read is free. */
  onEnded: () => void
}

export function createLanes({ deps, lanes, tag, onEnded }: LanesOptions): Lanes {
  const running = new Set<Running>()
  const broken = Promise.withResolvers<never>()
  // Whoever is interested will look; until then it is not unheard of.
  broken.promise.catch(() => {})
  let wanted: number[][] = []
  let stopped = false
  let count = 0

  function settle(): void {
    for (const each of running)
      if (!wanted.some((share) => share.join() === each.partitions.join())) each.stop.abort()
    const held = heldNow()
    for (const share of wanted) if (!share.some((partition) => held.has(partition))) begin(share)
  }

  function begin(partitions: readonly number[]): void {
    const stop = new AbortController()
    const ended = runLane(deps, `lane ${count++ % lanes} ${tag}`, partitions, stop.signal)
      .catch(broken.reject)
      .then(() => {
        running.delete(each)
        if (stopped) return
        settle()
        onEnded()
      })
    const each: Running = { partitions, stop, ended }
    running.add(each)
  }

  function heldNow(): Set<number> {
    return new Set([...running].flatMap(({ partitions }) => partitions))
  }

  return {
    share(partitions) {
      if (stopped) return
      wanted = shareOut(partitions, lanes)
      settle()
    },
    held: heldNow,
    broken: broken.promise,
    async stop() {
      stopped = true
      for (const { stop } of running) stop.abort()
      await Promise.all([...running].map(({ ended }) => ended))
    },
  }
}
