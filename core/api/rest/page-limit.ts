import { ApiError } from '../../lib/api-error.ts'

export interface PageLimitOptions {
  responsesMax: number
  responsesPerClientMax: number
}

/** Begins a response of several pages. @returns what ends it; @throws OVERLOADED */
export type AcquirePages = (clientId: string) => () => void

/** Responses of several pages at once: each holds its pages in memory while more are read. */
export function createPageLimit({
  responsesMax,
  responsesPerClientMax,
}: PageLimitOptions): AcquirePages {
  const running = new Map<string, number>()
  let total = 0

  return function acquire(clientId) {
    const own = running.get(clientId) ?? 0
    if (total >= responsesMax || own >= responsesPerClientMax) throw new ApiError('OVERLOADED')
    total++
    running.set(clientId, own + 1)
    let released = false
    return () => {
      if (released) return
      released = true
      total--
      const left = (running.get(clientId) ?? 1) - 1
      if (left === 0) running.delete(clientId)
      else running.set(clientId, left)
    }
  }
}
