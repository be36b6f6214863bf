import { LIVE_LIMITS } from '../../queries/limits.ts'

/** What a subscriber receives; `recent` is what is new to it. */
export interface Update {
  recent: readonly unknown[]
}

export interface Subscriber<U extends Update> extends AsyncIterableIterator<U> {
  push(update: U): void
  /** Ends the subscription with this error. */
  fail(error: Error): void
  end(): void
}

/**
 * The reading end of a subscription. A slow reader gets the latest state, not a queue of old ones; only
 * `recent` is accumulated, up to LIVE_LIMITS.recentMax. An object instead of a generator: `return()` works while
 * `next()` is waiting, so nothing is left behind when a client disconnects.
 */
export function createSubscriber<U extends Update>(onEnd: () => void): Subscriber<U> {
  let pending: U | undefined
  let failure: Error | undefined
  let ended = false
  const waiting: { resolve(result: IteratorResult<U>): void; reject(error: Error): void }[] = []

  function end(): void {
    if (ended) return
    ended = true
    pending = undefined
    for (const { resolve } of waiting.splice(0)) resolve(DONE)
    onEnd()
  }

  return {
    push(update) {
      if (ended) return
      const reader = waiting.shift()
      if (reader) reader.resolve({ done: false, value: update })
      else pending = pending ? merge(update, pending) : update
    },
    fail(error) {
      if (ended) return
      const reader = waiting.shift()
      if (reader) reader.reject(error)
      else failure = error
      end()
    },
    end,
    next() {
      if (failure) {
        const error = failure
        failure = undefined
        return Promise.reject(error)
      }
      if (pending) {
        const value = pending
        pending = undefined
        return Promise.resolve({ done: false, value })
      }
      if (ended) return Promise.resolve(DONE)
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }))
    },
    return() {
      end()
      return Promise.resolve(DONE)
    },
    throw() {
      end()
      return Promise.resolve(DONE)
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

const DONE = { done: true, value: undefined } as const

function merge<U extends Update>(newer: U, older: U): U {
  const recent = [...newer.recent, ...older.recent].slice(0, LIVE_LIMITS.recentMax)
  return { ...newer, recent }
}
