import { onCleanup } from 'solid-js'
import type { Query } from './query.ts'

const POLL_MS = 15_000

/** Fetches again what other people may change, for as long as the calling component is mounted. */
export function createPolling(
  queries: readonly Pick<Query<unknown>, 'invalidate'>[],
  everyMs = POLL_MS,
): void {
  const timer = setInterval(() => {
    for (const query of queries) query.invalidate()
  }, everyMs)
  onCleanup(() => clearInterval(timer))
}
