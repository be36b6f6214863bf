import { ApiError } from './api-error.ts'

/** Permits for all clients together, shared so that no client keeps another one waiting, whatever it sends. */
export interface FairLimiter {
  /**
   * Waits until the client may have another permit; first come, first served.
   * @param signal aborts when nobody needs the permit any more
   * @returns releases the permit; a second call has no effect
   * @throws OVERLOADED when `queuedMax` of the client wait already, or after `queueMsMax`; QUERY_CANCELLED once the
   *   signal aborts
   */
  acquire(clientId: string, signal?: AbortSignal): Promise<() => void>
}

export interface FairLimiterOptions {
  /** Permits of one client. */
  concurrentMax: number
  /** Of one client. */
  queuedMax: number
  queueMsMax: number
  /** Permits of all clients together; without it, each client has its own only. */
  totalMax?: number
  /** The client for whom one permit is always kept. */
  reservedFor?: string
  /** How long a client may hold permits, in milliseconds within a minute; then it gets one permit at a time. */
  heldMsPerMinuteMax?: number
}

interface Client {
  inUse: number
  waiting: number
  /** Held since the minute began, those still held not included. */
  heldMs: number
  minute: number
}

interface Waiter {
  clientId: string
  client: Client
  signal: AbortSignal | undefined
  admit: () => void
  leave: (error: ApiError) => void
}

/**
 * A client may hold at most half of what the others leave free, so however many are greedy, the next one finds a
 * permit: of nine, the first client gets four, the second two, the third one, and so on.
 */
export function createFairLimiter(options: FairLimiterOptions): FairLimiter {
  const { concurrentMax, queuedMax, queueMsMax, totalMax = Infinity, reservedFor } = options
  const { heldMsPerMinuteMax = Infinity } = options
  /** Only clients that hold a permit, wait for one, or have held some in this minute. */
  const clients = new Map<string, Client>()
  const queue: Waiter[] = []
  let inUse = 0

  function shareOf(clientId: string, client: Client): number {
    const kept = reservedFor === undefined || clientId === reservedFor ? 0 : 1
    // The permit that is kept counts as in use until its owner uses it.
    const unused = Math.max(0, kept - (clients.get(reservedFor ?? '')?.inUse ?? 0))
    const left = totalMax - unused - (inUse - client.inUse)
    if (client.inUse >= left) return 0
    if (heldIn(client) >= heldMsPerMinuteMax) return 1
    if (clientId === reservedFor || totalMax === Infinity) return concurrentMax
    return Math.min(concurrentMax, Math.max(1, Math.floor(left / 2)))
  }

  function admitWaiting(): void {
    for (let i = 0; i < queue.length; ) {
      const { clientId, client, admit } = queue[i] as Waiter
      if (client.inUse < shareOf(clientId, client)) {
        queue.splice(i, 1)
        admit()
      } else i++
      if (inUse >= totalMax) return
    }
  }

  function take(clientId: string, client: Client): () => void {
    const since = performance.now()
    let held = true
    inUse++
    client.inUse++
    return () => {
      if (!held) return
      held = false
      inUse--
      client.inUse--
      client.heldMs = heldIn(client) + performance.now() - since
      forget(clientId, client)
      admitWaiting()
    }
  }

  function forget(clientId: string, client: Client): void {
    if (client.inUse > 0 || client.waiting > 0) return
    if (heldMsPerMinuteMax === Infinity) clients.delete(clientId)
    else if (clients.size > REMEMBERED_MAX)
      for (const [id, each] of clients)
        if (each.inUse === 0 && each.waiting === 0 && each.minute !== minuteNow())
          clients.delete(id)
  }

  /** One listener for all that wait with a signal: added again, it is the same one. */
  function onAbort({ target }: Event): void {
    for (const waiter of queue.filter(({ signal }) => signal === target))
      waiter.leave(new ApiError('QUERY_CANCELLED'))
  }

  function wait(clientId: string, client: Client, signal?: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      client.waiting++
      const waiter: Waiter = {
        clientId,
        client,
        signal,
        admit() {
          clearTimeout(timer)
          client.waiting--
          resolve(take(clientId, client))
        },
        leave(error) {
          clearTimeout(timer)
          queue.splice(queue.indexOf(waiter), 1)
          client.waiting--
          forget(clientId, client)
          reject(error)
        },
      }
      const timer = setTimeout(() => waiter.leave(overloaded()), queueMsMax)
      queue.push(waiter)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  return {
    async acquire(clientId, signal) {
      if (signal?.aborted) throw new ApiError('QUERY_CANCELLED')
      const client = clients.get(clientId) ?? {
        inUse: 0,
        waiting: 0,
        heldMs: 0,
        minute: minuteNow(),
      }
      clients.set(clientId, client)
      if (client.waiting === 0 && client.inUse < shareOf(clientId, client))
        return take(clientId, client)
      if (client.waiting >= queuedMax) throw overloaded()
      return wait(clientId, client, signal)
    },
  }
}

const REMEMBERED_MAX = 10_000

function minuteNow(): number {
  return Math.floor(performance.now() / 60_000)
}

function heldIn(client: Client): number {
  const minute = minuteNow()
  if (client.minute !== minute) {
    client.minute = minute
    client.heldMs = 0
  }
  return client.heldMs
}

function overloaded() {
  return new ApiError(
    'OVERLOADED',
    'Too many of your queries are running already; send fewer concurrently, or try again soon.',
  )
}
