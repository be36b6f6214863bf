import { roundRobin } from './assignment.ts'
import { type PartitionConsumerDeps, runConsumer } from './partition-consumer.ts'

/** The partition consumers of a worker, as many as there are partitions for. */
export interface PartitionConsumers {
  /** Has consumers read these partitions and no others, as soon as those that must end have ended their batch. */
  assign(partitions: readonly number[]): void
  /** The partitions that are being read, by consumers that have yet to end too. */
  owned(): ReadonlySet<number>
  /** Rejects when a consumer has ended although it was not stopped: a bug. */
  readonly failed: Promise<never>
  /** Resolves when every consumer has ended its batch. */
  stop(): Promise<void>
}

interface RunningConsumer {
  partitions: readonly number[]
  stop: AbortController
  ended: Promise<void>
}

export interface PartitionConsumersOptions {
  deps: PartitionConsumerDeps
  /** How many at most. */
  concurrency: number
  /** Ends the name of each connection. */
  tag: string
  /** Called whenever a consumer has ended, so that its partitions are free. */
  onEnded: () => void
}

export function createPartitionConsumers(options: PartitionConsumersOptions): PartitionConsumers {
  const { deps, concurrency, tag, onEnded } = options
  const running = new Set<RunningConsumer>()
  const failure = Promise.withResolvers<never>()
  // Until the worker awaits it, the rejection counts as handled.
  failure.promise.catch(() => {})
  let wanted: number[][] = []
  let stopped = false
  let started = 0

  /** Stops the consumers that no longer fit the assignment, and starts those whose partitions are free. */
  function reconcile(): void {
    for (const consumer of running)
      if (!wanted.some((group) => group.join() === consumer.partitions.join()))
        consumer.stop.abort()
    const owned = ownedNow()
    for (const group of wanted) if (!group.some((partition) => owned.has(partition))) start(group)
  }

  function start(partitions: readonly number[]): void {
    const stop = new AbortController()
    const name = `consumer ${started++ % concurrency} ${tag}`
    const ended = runConsumer(deps, name, partitions, stop.signal)
      .catch(failure.reject)
      .then(() => {
        running.delete(consumer)
        if (stopped) return
        reconcile()
        onEnded()
      })
    const consumer: RunningConsumer = { partitions, stop, ended }
    running.add(consumer)
  }

  function ownedNow(): Set<number> {
    return new Set([...running].flatMap(({ partitions }) => partitions))
  }

  return {
    assign(partitions) {
      if (stopped) return
      wanted = roundRobin(partitions, concurrency)
      reconcile()
    },
    owned: ownedNow,
    failed: failure.promise,
    async stop() {
      stopped = true
      for (const { stop } of running) stop.abort()
      await Promise.all([...running].map(({ ended }) => ended))
    },
  }
}
