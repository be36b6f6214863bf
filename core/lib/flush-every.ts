import { pause } from './pause.ts'

/** Flushes every so many ms until the signal aborts, and then once more. A failure ends nothing. */
export async function flushEvery(
  ms: number,
  flush: () => Promise<void>,
  onError: (error: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await pause(ms, signal)
    await flush().catch(onError)
  }
}
