import type { Log, NewRecord, RecordPosition } from '../../log/log.ts'
import { createShouldLinger } from './adaptive-linger.ts'
import { BATCHER_LIMITS, type BatcherLimits } from './batcher-limits.ts'
import { BadProduceError } from './read-records.ts'

/** Gathers the records of many requests into few appends. */
export interface Batcher {
  /**
   * Resolves when the log has the records, with their positions in the order given. All of them are of
   * one topic, and go in one append.
   * @throws NotConfirmedError when the log did not confirm in time, could not, or there is no room to wait ·
   * BadProduceError 413 when a record of it is more than the log takes
   */
  add(topic: string, records: readonly NewRecord[]): Promise<RecordPosition[]>
  /** Takes no more; resolves when everything taken was confirmed or refused. */
  close(): Promise<void>
}

export interface BatcherDeps {
  log: Pick<Log, 'append'>
  /** Told after every append that the log has confirmed. */
  onAppend?: (append: { requests: number; records: number; bytes: number; ms: number }) => void
  /** Told of every append that failed. */
  onError?: (error: unknown) => void
  limits?: Partial<BatcherLimits>
}

/** The log may have the records or not, unless `sent` is false: then it has not. Trying again is up to the sender. */
export class ProduceTimeoutError extends Error {
  readonly sent: boolean

  constructor(message: string, sent: boolean, cause?: unknown) {
    super(message, { cause })
    this.name = 'NotConfirmedError'
    this.sent = sent
  }
}

/** A request that waits for its append, or for its end. */
interface Waiting {
  topic: string
  records: readonly NewRecord[]
  bytes: number
  /** The partitions whose order it is part of. */
  lanes: readonly string[]
  since: number
  state: 'waiting' | 'sent' | 'answered'
  timer: NodeJS.Timeout | undefined
  resolve: (positions: RecordPosition[]) => void
  reject: (error: unknown) => void
}

interface Batch {
  topic: string
  requests: Waiting[]
  records: number
  bytes: number
}

/**
 * Idle: a request goes at once. While an append is under way, what comes waits: until that append ends, until
 * it is a full batch, or until the oldest has waited `lingerMs` and the second append is free. In dense traffic
 * an append also begins `lingerMs` after the last one began, not before: at 1,000 requests/s that is 170 appends
 * a second instead of 690, half of the CPU, and a lower p95.
 *
 * Order: two appends that run at once may come into a partition in either order. So they never share a
 * partition, and no request overtakes an earlier one on any partition. That costs nothing in Postgres, where the
 * second would wait for the first's lock anyway.
 */
export function createBatcher(deps: BatcherDeps): Batcher {
  const { log, onAppend = () => {}, onError: onTrouble = () => {} } = deps
  const limits = { ...BATCHER_LIMITS, ...deps.limits }
  let queue: Waiting[] = []
  let queuedRecords = 0
  let queuedBytes = 0
  let inFlight = 0
  /** Partitions with an append under way. */
  const busy = new Set<string>()
  let linger: NodeJS.Timeout | undefined
  let sentAt = Number.NEGATIVE_INFINITY
  const isDense = createShouldLinger(limits.lingerMs)
  let dense = false
  let closed: PromiseWithResolvers<void> | undefined

  function add(topic: string, records: readonly NewRecord[]): Promise<RecordPosition[]> {
    if (records.length === 0) return Promise.resolve([])
    if (closed) return refuse('the gateway is closing')
    const bytes = records.reduce(
      (sum, { key, value }) => sum + value.length + (key?.length ?? 0),
      0,
    )
    // An empty queue takes anything, so that no request is too large for ever.
    const full =
      queuedRecords + records.length > limits.queueRecords ||
      queuedBytes + bytes > limits.queueBytes
    if (full && queuedRecords > 0) return refuse('too many records wait for the log')
    dense = isDense(inFlight > 0 || queuedRecords > 0)
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        topic,
        records,
        bytes,
        lanes: lanesOf(topic, records),
        since: performance.now(),
        state: 'waiting',
        timer: undefined,
        resolve,
        reject,
      }
      waiting.timer = setTimeout(() => tooLate(waiting), limits.deadlineMs)
      queue.push(waiting)
      queuedRecords += records.length
      queuedBytes += bytes
      pump()
    })
  }

  /** Sends what may be sent now, and sees to it that it is called again. */
  function pump(): void {
    clearTimeout(linger)
    linger = undefined
    while (inFlight < limits.inFlight && queuedRecords > 0) {
      const now = performance.now()
      const full =
        closed !== undefined ||
        queuedBytes >= limits.batchBytes ||
        queuedRecords >= limits.batchRecords
      const lingerFrom = inFlight > 0 ? oldest() : dense ? sentAt : Number.NEGATIVE_INFINITY
      const early = lingerFrom + limits.lingerMs - now
      if (!full && early > 0) {
        linger = setTimeout(pump, Math.ceil(early))
        return
      }
      const batch = takeBatch()
      // Everything that waits has to wait for an append under way; its end pumps again.
      if (!batch) return
      void send(batch)
    }
    if (closed && inFlight === 0 && queuedRecords === 0) closed.resolve()
  }

  function oldest(): number {
    return queue.find(({ state }) => state === 'waiting')?.since ?? performance.now()
  }

  function takeBatch(): Batch | undefined {
    const held = new Set(busy)
    const left: Waiting[] = []
    let batch: Batch | undefined
    for (const each of queue) {
      if (each.state !== 'waiting') continue
      const fits =
        batch === undefined ||
        (batch.topic === each.topic &&
          batch.records + each.records.length <= limits.batchRecords &&
          batch.bytes + each.bytes <= limits.batchBytes)
      if (!fits || each.lanes.some((lane) => held.has(lane))) {
        for (const lane of each.lanes) held.add(lane)
        left.push(each)
        continue
      }
      batch ??= { topic: each.topic, requests: [], records: 0, bytes: 0 }
      batch.requests.push(each)
      batch.records += each.records.length
      batch.bytes += each.bytes
      each.state = 'sent'
    }
    queue = left
    queuedRecords -= batch?.records ?? 0
    queuedBytes -= batch?.bytes ?? 0
    return batch
  }

  async function send({ topic, requests }: Batch): Promise<void> {
    const lanes = new Set(requests.flatMap((request) => request.lanes))
    inFlight++
    sentAt = performance.now()
    for (const lane of lanes) busy.add(lane)
    const tell = await append(topic, requests)
    // First, so that who asks again at once finds nothing under way.
    inFlight--
    for (const lane of lanes) busy.delete(lane)
    tell()
    pump()
  }

  /** In one append where it can be. Never rejects. @returns what answers the requests */
  async function append(topic: string, requests: readonly Waiting[]): Promise<() => void> {
    const began = performance.now()
    const all = requests.flatMap((request) => request.records)
    const bytes = requests.reduce((sum, request) => sum + request.bytes, 0)
    try {
      const positions = await within(2 * limits.deadlineMs, (signal) =>
        log.append(topic, all, signal),
      )
      const ms = performance.now() - began
      return () => {
        let at = 0
        for (const request of requests) {
          const mine = positions.slice(at, at + request.records.length)
          at += request.records.length
          answer(request, () => request.resolve(mine))
        }
        onAppend({ requests: requests.length, records: all.length, bytes, ms })
      }
    } catch (error) {
      const tooMuch = error instanceof RangeError
      if (tooMuch && requests.length > 1) return appendHalves(topic, requests)
      const why = tooMuch
        ? new BadProduceError(413, 'RECORD_TOO_LARGE: the log does not take it')
        : new ProduceTimeoutError('the log did not confirm', true, error)
      return () => {
        for (const request of requests) answer(request, () => request.reject(why))
        onTrouble(error)
      }
    }
  }

  /**
   * One of them is more than the log takes (a topic's max.message.bytes may be lower than ours), and would be the next
   * time, too; the others are not to blame. One half after the other, because they may share a partition.
   */
  async function appendHalves(topic: string, requests: readonly Waiting[]) {
    const middle = requests.length >> 1
    for (const half of [requests.slice(0, middle), requests.slice(middle)]) {
      const left = half.filter(({ state }) => state === 'sent')
      const tell = left.length > 0 && (await append(topic, left))
      if (tell) tell()
    }
    return () => {}
  }

  function tooLate(request: Waiting): void {
    const sent = request.state === 'sent'
    if (request.state === 'waiting') {
      queuedRecords -= request.records.length
      queuedBytes -= request.bytes
    }
    answer(request, () =>
      request.reject(
        new ProduceTimeoutError(`the log did not confirm within ${limits.deadlineMs} ms`, sent),
      ),
    )
    // It stays in the queue until that is gone through again; its records need not.
    if (!sent) request.records = []
    if (closed) pump()
  }

  function answer(request: Waiting, tell: () => void): void {
    if (request.state === 'answered') return
    request.state = 'answered'
    clearTimeout(request.timer)
    tell()
  }

  return {
    add,
    close() {
      if (!closed) {
        closed = Promise.withResolvers()
        pump()
      }
      return closed.promise
    },
  }
}

function refuse(why: string): Promise<never> {
  return Promise.reject(new ProduceTimeoutError(why, false))
}

/** Records without a partition have no order to keep. */
function lanesOf(topic: string, records: readonly NewRecord[]): string[] {
  const partitions = new Set<number>()
  for (const { partition } of records) if (partition !== undefined) partitions.add(partition)
  return [...partitions].map((partition) => `${topic}/${partition}`)
}

/** A log keeps its own deadline, well below this; one that does not must not block the gateway for ever. */
async function within<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const deadline = new AbortController()
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    const error = new Error(`no answer from the log within ${ms} ms`)
    deadline.abort(error)
    late.reject(error)
  }, ms)
  try {
    return await Promise.race([work(deadline.signal), late.promise])
  } finally {
    clearTimeout(timer)
  }
}
