import type { Fetched } from './protocol/fetch.ts'

/** How much a reader asks one leader for in a fetch: as much as comes in time. */
export interface FetchSize {
  readonly bytes: number
  /** How long a fetch may take in which it is this partition's turn to be first. */
  msMax(partition: number): number
  onTimeout(partition: number): void
  onFetched(fetched: readonly Pick<Fetched, 'partition' | 'bytes'>[], ms: number): void
}

/** Until the connection counts as dead. */
const SILENCE_MS_MAX = 3_000
/** Where not even the smallest fetch came in time: a record is as large as it is. */
const SLOW_MS_MAX = 30_000
const FETCH_BYTES_MAX = 4 * 1024 * 1024
const FETCH_BYTES_MIN = 64 * 1024

/** Four MiB within three seconds are more than some networks carry, and what is too late is fetched again. */
export function createFetchSize(): FetchSize {
  let size = FETCH_BYTES_MAX
  // Of the partitions with a large record; what comes from the others says nothing about it.
  const patience = new Map<number, number>()
  const msMax = (partition: number) => patience.get(partition) ?? SILENCE_MS_MAX
  return {
    get bytes() {
      return size
    },
    msMax,
    onTimeout(partition) {
      if (size > FETCH_BYTES_MIN) size /= 2
      else patience.set(partition, Math.min(SLOW_MS_MAX, 2 * msMax(partition)))
    },
    onFetched(fetched, ms) {
      for (const { partition, bytes } of fetched) if (bytes > 0) patience.delete(partition)
      const bytes = fetched.reduce((sum, each) => sum + each.bytes, 0)
      if (bytes >= size / 2 && ms < SILENCE_MS_MAX / 4) size = Math.min(FETCH_BYTES_MAX, size * 2)
    },
  }
}
