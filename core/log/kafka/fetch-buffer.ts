import type { LogBatch, LogRecord, PartitionBatch } from '../log.ts'

export interface FetchedPartition {
  partition: number
  records: LogRecord[]
  /** Where the next fetch begins. */
  next: number
  bytes: number
}

/** What was fetched and not yet handed over, by partition, within limits. */
export interface FetchBuffer {
  /** Where the next fetch of a partition begins. */
  nextOf(partition: number): number
  add(fetched: readonly FetchedPartition[]): void
  /** No more will come: once the buffer is empty, `take` throws the error. */
  fail(error: unknown): void
  /** Resolves when there is something to take, or nothing more will come. */
  untilNotEmpty(signal: AbortSignal): Promise<void>
  /** Resolves when a full batch is there, nothing more will come, or `ms` have passed. */
  untilFullBatch(ms: number, signal: AbortSignal): Promise<void>
  /** Resolves when there is space for another fetch. */
  untilSpace(signal: AbortSignal): Promise<void>
  /** Partitions take turns, so that none starves. @throws the error of `fail` */
  take(): LogBatch | undefined
}

export interface FetchBufferLimits {
  recordsMax: number
  bytesMax: number
  readAhead?: boolean
}

export function createFetchBuffer(
  from: ReadonlyMap<number, number>,
  limits: FetchBufferLimits,
): FetchBuffer {
  const partitions = [...from.keys()].sort((a, b) => a - b)
  const queues = new Map(partitions.map((p) => [p, new PartitionQueue(p, from.get(p) as number)]))
  const queueOf = (partition: number) => queues.get(partition) as PartitionQueue
  const sum = (of: (queue: PartitionQueue) => number) => {
    let total = 0
    for (const queue of queues.values()) total += of(queue)
    return total
  }
  const conditions = createConditions()
  let failure: { error: unknown } | undefined

  const isEmpty = () => sum((queue) => queue.pieceCount) === 0
  const isFull = () =>
    sum((queue) => queue.recordCount) >= limits.recordsMax ||
    sum((queue) => queue.bytes) >= limits.bytesMax
  const hasSpace = () => (limits.readAhead === false ? isEmpty() : !isFull())

  return {
    nextOf: (partition) => queueOf(partition).next,
    add(fetched) {
      for (const each of fetched) queueOf(each.partition).add(each)
      conditions.check()
    },
    fail(error) {
      failure ??= { error }
      conditions.check()
    },
    untilNotEmpty: (signal) => conditions.wait(() => !isEmpty() || failure !== undefined, signal),
    untilFullBatch: (ms, signal) =>
      conditions.wait(() => isFull() || failure !== undefined, signal, ms),
    untilSpace: (signal) => conditions.wait(hasSpace, signal),
    take() {
      if (isEmpty()) {
        if (failure) throw failure.error
        return undefined
      }
      const counts = partitions.map((partition) => queueOf(partition).recordCount)
      const shares = shareFairly(counts, limits.recordsMax)
      const taken = partitions.flatMap((p, i) => queueOf(p).take(shares[i] as number) ?? [])
      conditions.check()
      return {
        partitions: taken,
        recordCount: taken.reduce((count, { records }) => count + records.length, 0),
      }
    },
  }
}

/** What one fetch brought for a partition. */
interface Piece {
  records: LogRecord[]
  /** Of the records, how many were handed over already. */
  taken: number
  next: number
  bytes: number
}

/** The pieces of one partition. Pieces without a record count too: Kafka's control records have to be passed. */
class PartitionQueue {
  readonly #partition: number
  readonly #pieces: Piece[] = []
  #handedOver: number
  /** Where the next fetch begins. */
  next: number
  recordCount = 0
  bytes = 0

  constructor(partition: number, from: number) {
    this.#partition = partition
    this.#handedOver = from
    this.next = from
  }

  get pieceCount(): number {
    return this.#pieces.length
  }

  add({ records, next, bytes }: FetchedPartition): void {
    if (next === this.next) return
    this.#pieces.push({ records, taken: 0, next, bytes })
    this.next = next
    this.recordCount += records.length
    this.bytes += bytes
  }

  take(recordsMax: number): PartitionBatch | undefined {
    const baseOffset = this.#handedOver
    const records: LogRecord[] = []
    let nextOffset = baseOffset
    for (let [piece] = this.#pieces; piece; [piece] = this.#pieces) {
      const left = piece.records.length - piece.taken
      const count = Math.min(left, recordsMax - records.length)
      if (count === 0 && left > 0) break
      for (let i = 0; i < count; i++) records.push(piece.records[piece.taken++] as LogRecord)
      this.recordCount -= count
      if (count < left) {
        nextOffset = (records.at(-1) as LogRecord).offset + 1
        break
      }
      nextOffset = piece.next
      this.bytes -= piece.bytes
      this.#pieces.shift()
    }
    if (nextOffset === baseOffset) return undefined
    this.#handedOver = nextOffset
    return { partition: this.#partition, baseOffset, nextOffset, records }
  }
}

/** Callers that wait until a condition holds; `check` looks at all of them again. */
function createConditions() {
  const waiters = new Set<() => void>()
  return {
    check(): void {
      for (const look of [...waiters]) look()
    },
    wait(holds: () => boolean, signal: AbortSignal, ms?: number): Promise<void> {
      if (holds() || signal.aborted) return Promise.resolve()
      return new Promise((resolve) => {
        const end = () => {
          waiters.delete(look)
          clearTimeout(timer)
          signal.removeEventListener('abort', end)
          resolve()
        }
        const look = () => holds() && end()
        const timer = ms === undefined ? undefined : setTimeout(end, ms)
        signal.addEventListener('abort', end, { once: true })
        waiters.add(look)
      })
    },
  }
}

/** As much for each as for any other; what one does not need goes to the others. */
function shareFairly(wanted: readonly number[], max: number): number[] {
  const shares = wanted.map(() => 0)
  let left = max
  let hungry = [...wanted.keys()].filter((i) => (wanted[i] as number) > 0)
  while (hungry.length > 0 && left > 0) {
    const each = Math.max(1, Math.floor(left / hungry.length))
    for (const i of hungry) {
      const more = Math.min(each, left, (wanted[i] as number) - (shares[i] as number))
      shares[i] = (shares[i] as number) + more
      left -= more
    }
    hungry = hungry.filter((i) => (shares[i] as number) < (wanted[i] as number))
  }
  return shares
}
