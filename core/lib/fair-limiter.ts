import { ApiError } from './api-error.ts'

/** A concurrency limit for each client by itself: no client keeps another one waiting, whatever it sends. */
export interface FairLimiter {
  /**
   * Waits until the client has fewer than `concurrentMax` permits.
   * @returns releases the permit; a second call has no effect
   * @throws OVERLOADED when `queuedMax` wait already, or after `queueMsMax`
   */
  acquire(clientId: string): Promise<() => void>
}

export interface FairLimiterOptions {
  concurrentMax: number
  queuedMax: number
  queueMsMax: number
}

interface Client {
  running: number
  waiting: Set<() => void>
}

export function createFairLimiter({
  concurrentMax,
  queuedMax,
  queueMsMax,
}: FairLimiterOptions): FairLimiter {
  /** Only clients that hold a permit. */
  const clients = new Map<string, Client>()

  function permitOf(id: string, client: Client): () => void {
    let isReleased = false
    return () => {
      if (isReleased) return
      isReleased = true
      const [next] = client.waiting
      // The permit goes to the one that has waited longest; the number of permits stays the same.
      if (next) next()
      else if (--client.running === 0) clients.delete(id)
    }
  }

  return {
    async acquire(id) {
      const client = clients.get(id) ?? { running: 0, waiting: new Set() }
      clients.set(id, client)
      if (client.running < concurrentMax) {
        client.running++
        return permitOf(id, client)
      }
      if (client.waiting.size >= queuedMax) throw overloaded()
      await new Promise<void>((resolve, reject) => {
        const proceed = () => {
          clearTimeout(timer)
          client.waiting.delete(proceed)
          resolve()
        }
        const timer = setTimeout(() => {
          client.waiting.delete(proceed)
          reject(overloaded())
        }, queueMsMax)
        client.waiting.add(proceed)
      })
      return permitOf(id, client)
    },
  }
}

function overloaded() {
  return new ApiError(
    'OVERLOADED',
    'Too many of your queries are running already; send fewer concurrently, or try again soon.',
  )
}
