import { setTimeout as sleep } from 'node:timers/promises'
import type { Schedule } from './schedule.ts'

export interface OpenLoopOptions {
  schedule: Schedule
  /** A request that is due while so many are in flight is not sent. */
  inFlightMax: number
  /** Ends the load early. */
  signal: AbortSignal
  /**
   * Sends request `n`; it never rejects.
   * @param dueAt as performance.now() has it
   */
  send: (n: number, dueAt: number) => Promise<void>
  onTick: (dropped: number) => void
}

export interface OpenLoopResult {
  /** Requests that were due but not sent. */
  dropped: number
  /** From the start to the last response. */
  seconds: number
}

const TICK_MS = 2

/** Sends requests when they are due, whatever the responses do, and waits for the last response. */
export async function runOpenLoop(options: OpenLoopOptions): Promise<OpenLoopResult> {
  const { schedule, inFlightMax, signal, send, onTick } = options
  const inFlight = new Set<Promise<void>>()
  const start = performance.now()
  let dropped = 0
  for (let next = 0; next < schedule.total && !signal.aborted; await sleep(TICK_MS)) {
    for (; next < schedule.total; next++) {
      const dueAt = start + schedule.dueAt(next)
      if (dueAt > performance.now()) break
      if (inFlight.size >= inFlightMax) {
        dropped++
        continue
      }
      const sending = send(next, dueAt).finally(() => inFlight.delete(sending))
      inFlight.add(sending)
    }
    onTick(dropped)
  }
  await Promise.all(inFlight)
  return { dropped, seconds: (performance.now() - start) / 1000 }
}
