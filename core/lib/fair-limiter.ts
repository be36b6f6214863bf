import { queryError } from '../queries/errors.ts'

/** Everybody's questions get their turn: nobody has more than so many worked out at once, whatever they send. */
export interface FairLimiter {
  /**
   * Waits until one of this asker's turns is free.
   * @returns to be called when the turn is over; twice does no harm
   * @throws OVERLOADED when too many wait before this one, or none got free in time
   */
  acquire(asker: string): Promise<() => void>
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
  concurrentMax: atOnceMax,
  queuedMax: waitingMax,
  queueMsMax: waitMsMax,
}: FairLimiterOptions): FairLimiter {
  /** Those only who have something running. */
  const askers = new Map<string, Client>()

  function begin(name: string, asker: Client): () => void {
    let over = false
    return () => {
      if (over) return
      over = true
      const [next] = asker.waiting
      // The turn goes to whoever waits longest; the number of those that run stays what it is.
      if (next) next()
      else if (--asker.running === 0) askers.delete(name)
    }
  }

  return {
    async acquire(name) {
      const asker = askers.get(name) ?? { running: 0, waiting: new Set() }
      askers.set(name, asker)
      if (asker.running < atOnceMax) {
        asker.running++
        return begin(name, asker)
      }
      if (asker.waiting.size >= waitingMax) throw tooMany()
      await new Promise<void>((resolve, reject) => {
        const mayGo = () => {
          clearTimeout(timer)
          asker.waiting.delete(mayGo)
          resolve()
        }
        const timer = setTimeout(() => {
          asker.waiting.delete(mayGo)
          reject(tooMany())
        }, waitMsMax)
        asker.waiting.add(mayGo)
      })
      return begin(name, asker)
    },
  }
}

function tooMany() {
  return queryError(
    'OVERLOADED',
    'Too many of your questions are being worked out already; ask fewer at once, or try again soon.',
  )
}
