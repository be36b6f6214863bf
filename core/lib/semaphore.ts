/** At most `capacity` units (operations, bytes) in use; who asks for more waits, first come, first served. */
export interface Semaphore {
  /**
   * Waits until the units are free.
   * @param units 1 unless given; at most the capacity, or it waits for ever
   * @returns to be called when they are no longer used; a second call does nothing
   */
  acquire(units?: number): Promise<() => void>
  /** The same; undefined when the units were not free within `msMax`. */
  tryAcquire(units: number, msMax: number): Promise<(() => void) | undefined>
  /** Does the work while it holds one unit. */
  run<T>(work: () => Promise<T>): Promise<T>
  readonly inUse: number
  /** How many callers wait. */
  readonly waiting: number
}

interface Waiter {
  units: number
  /** Called with the units taken. */
  admit: (release: () => void) => void
}

export function createSemaphore(capacity: number): Semaphore {
  const queue: Waiter[] = []
  let inUse = 0

  /** In order only: nobody overtakes one that needs more. */
  function admitWaiting(): void {
    for (let [first] = queue; first && first.units <= capacity - inUse; [first] = queue) {
      queue.shift()
      first.admit(take(first.units))
    }
  }

  function take(units: number): () => void {
    let held = true
    inUse += units
    return () => {
      if (!held) return
      held = false
      inUse -= units
      admitWaiting()
    }
  }

  async function acquire(units = 1): Promise<() => void> {
    return new Promise((admit) => {
      queue.push({ units, admit })
      admitWaiting()
    })
  }

  return {
    acquire,
    tryAcquire(units, msMax) {
      return new Promise((resolve) => {
        const waiter: Waiter = {
          units,
          admit(release) {
            clearTimeout(timer)
            resolve(release)
          },
        }
        const timer = setTimeout(() => {
          queue.splice(queue.indexOf(waiter), 1)
          resolve(undefined)
          // Behind it there may be one that needs less.
          admitWaiting()
        }, msMax)
        queue.push(waiter)
        admitWaiting()
      })
    },
    async run(work) {
      const release = await acquire()
      try {
        return await work()
      } finally {
        release()
      }
    },
    get inUse() {
      return inUse
    },
    get waiting() {
      return queue.length
    },
  }
}
