import type { LogBatch, LogRecord, PartitionBatch } from '../log.ts'

export interface FetchedPartition {
  partition: number
  records: LogRecord[]
  /** Where the next fetch begins. */
  next: number
  bytes: number
}

/** What was fetched and not yet handed over, by partition, in bounds. */
export interface FetchBuffer {
  /** Where the next fetch of a partition begins. */
  nextOf(partition: number): number
  add(found: readonly FetchedPartition[]): void
  /** No more will come: once it is empty, `take` says why. */
  fail(error: unknown): void
  /** Resolves when there is something to take, or nothing more will come. */
  untilNotEmpty(signal: AbortSignal): Promise<void>
  /** Resolves when a whole batch is there, nothing more will come, or `ms` have passed. */
  untilFullBatch(ms: number, signal: AbortSignal): Promise<void>
  /** Resolves when there is room for another fetch. */
  untilSpace(signal: AbortSignal): Promise<void>
  /** Partitions take turns, so that none starves. @throws what it failed with */
  take(): LogBatch | undefined
}

interface Piece {
  records: LogRecord[]
  /** Of the records, how many were handed over already. */
  taken: number
  next: number
  bytes: number
}

export function createFetchBuffer(
  from: ReadonlyMap<number, number>,
  limits: { recordsMax: number; bytesMax: number; readAhead?: boolean },
): FetchBuffer {
  const partitions = [...from.keys()].sort((a, b) => a - b)
  const fetched = new Map(from)
  const handedOver = new Map(from)
  const pieces = new Map<number, Piece[]>(partitions.map((partition) => [partition, []]))
  let records = 0
  let bytes = 0
  /** Pieces without a record count too: marks of Kafka's own have to be passed. */
  let waiting = 0
  let failure: { error: unknown } | undefined
  const waiters = new Set<() => void>()

  const changed = () => {
    for (const look of [...waiters]) look()
  }
  const isFull = () => records >= limits.recordsMax || bytes >= limits.bytesMax

  function until(ready: () => boolean, signal: AbortSignal, ms?: number): Promise<void> {
    if (ready() || signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const end = () => {
        waiters.delete(look)
        clearTimeout(timer)
        signal.removeEventListener('abort', end)
        resolve()
      }
      const look = () => ready() && end()
      const timer = ms === undefined ? undefined : setTimeout(end, ms)
      signal.addEventListener('abort', end, { once: true })
      waiters.add(look)
    })
  }

  function takeRun(partition: number, max: number): PartitionBatch | undefined {
    const queue = pieces.get(partition) as Piece[]
    const start = handedOver.get(partition) as number
    const found: LogRecord[] = []
    let next = start
    for (let piece = queue[0]; piece; piece = queue[0]) {
      const left = piece.records.length - piece.taken
      const count = Math.min(left, max - found.length)
      if (count === 0 && left > 0) break
      for (let i = 0; i < count; i++) found.push(piece.records[piece.taken++] as LogRecord)
      records -= count
      if (count < left) {
        next = (found.at(-1) as LogRecord).offset + 1
        break
      }
      next = piece.next
      bytes -= piece.bytes
      waiting--
      queue.shift()
    }
    if (next === start) return undefined
    handedOver.set(partition, next)
    return { partition, baseOffset: start, nextOffset: next, records: found }
  }

  return {
    nextOf: (partition) => fetched.get(partition) as number,
    add(found) {
      for (const each of found) {
        if (each.next === fetched.get(each.partition)) continue
        const { records: fresh, next, bytes: size } = each
        pieces.get(each.partition)?.push({ records: fresh, taken: 0, next, bytes: size })
        fetched.set(each.partition, next)
        records += fresh.length
        bytes += size
        waiting++
      }
      changed()
    },
    fail(error) {
      failure ??= { error }
      changed()
    },
    untilNotEmpty: (signal) => until(() => waiting > 0 || failure !== undefined, signal),
    untilFullBatch: (ms, signal) => until(() => isFull() || failure !== undefined, signal, ms),
    untilSpace: (signal) =>
      until(() => (limits.readAhead === false ? waiting === 0 : !isFull()), signal),
    take() {
      if (waiting === 0) {
        if (failure) throw failure.error
        return undefined
      }
      const shares = share(
        partitions.map((partition) => countOf(pieces.get(partition) as Piece[])),
        limits.recordsMax,
      )
      const runs = partitions.flatMap(
        (partition, i) => takeRun(partition, shares[i] as number) ?? [],
      )
      changed()
      return {
        partitions: runs,
        recordCount: runs.reduce((sum, run) => sum + run.records.length, 0),
      }
    },
  }
}

function countOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { records, taken }) => sum + records.length - taken, 0)
}

/** As much for each as for any other; what one does not need is the others'. */
function share(wanted: readonly number[], max: number): number[] {
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
