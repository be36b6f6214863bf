import { ApiError } from './api-error.ts'
import { createSemaphore, type Semaphore } from './semaphore.ts'

/** A concurrency limit for each client by itself: no client keeps another one waiting, whatever it sends. */
export interface FairLimiter {
  /**
   * Waits until the client has fewer than `concurrentMax` permits; first come, first served.
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

export function createFairLimiter({
  concurrentMax,
  queuedMax,
  queueMsMax,
}: FairLimiterOptions): FairLimiter {
  /** Only clients that hold a permit. */
  const clients = new Map<string, Semaphore>()

  return {
    async acquire(clientId) {
      const permits = clients.get(clientId) ?? createSemaphore(concurrentMax)
      clients.set(clientId, permits)
      if (permits.inUse >= concurrentMax && permits.waiting >= queuedMax) throw overloaded()
      const release = await permits.tryAcquire(1, queueMsMax)
      if (!release) throw overloaded()
      return () => {
        release()
        if (permits.inUse === 0 && clients.get(clientId) === permits) clients.delete(clientId)
      }
    },
  }
}

function overloaded() {
  return new ApiError(
    'OVERLOADED',
    'Too many of your queries are running already; send fewer concurrently, or try again soon.',
  )
}
