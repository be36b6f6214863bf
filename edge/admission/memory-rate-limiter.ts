import { LIMITS } from '../../contract/limits.ts'
import { BoundedMap } from '../lib/bounded-map.ts'
import { type Bucket, policiesOf, quotasOf, WINDOW_MS, type Window, waitFor } from './allowance.ts'
import type { RateLimiter } from './rate-limiter.ts'

/**
 * A token bucket per key and a sliding window per tenant, in this process's memory: exact where one
 * process is the whole edge.
 */
export function createMemoryRateLimiter(): RateLimiter {
  const buckets = new BoundedMap<string, Bucket>(LIMITS.limiterEntriesMax)
  const windows = new BoundedMap<string, Window>(LIMITS.limiterEntriesMax)

  return {
    async limit(key, cost, now) {
      const quotas = quotasOf(key)
      const full = quotas.bucketMax * WINDOW_MS
      const bucket = refill(buckets.get(key.key_id), quotas.bucketMax, now)
      const window = slide(windows.get(key.tenant), now)
      const waitMs = waitFor(bucket, window, quotas, cost, now)
      const allowed = waitMs === 0
      const takenFrom = window.start
      if (allowed) {
        bucket.fill -= cost * WINDOW_MS
        window.current += cost
      }
      buckets.set(key.key_id, bucket)
      windows.set(key.tenant, window)
      return {
        allowed,
        waitMs,
        policies: policiesOf(bucket, window, quotas, now),
        async refund() {
          if (!allowed) return
          bucket.fill = Math.min(full, bucket.fill + cost * WINDOW_MS)
          // Into the minute it was taken from, which may have become the last one meanwhile.
          if (window.start === takenFrom) window.current -= cost
          else if (window.start === takenFrom + WINDOW_MS) window.previous -= cost
        },
      }
    },
  }
}

function refill(bucket: Bucket | undefined, max: number, now: number): Bucket {
  if (!bucket) return { fill: max * WINDOW_MS, at: now }
  // After a minute it is full whatever was in it; more would leave the range of exact numbers.
  const passed = Math.min(WINDOW_MS, Math.max(0, now - bucket.at))
  bucket.fill = Math.min(max * WINDOW_MS, bucket.fill + passed * max)
  bucket.at = Math.max(bucket.at, now)
  return bucket
}

function minute(now: number): number {
  return Math.floor(now / WINDOW_MS) * WINDOW_MS
}

function slide(window: Window | undefined, now: number): Window {
  const start = minute(now)
  if (!window) return { start, previous: 0, current: 0 }
  // A clock that was set back must not admit the same minute twice.
  if (start <= window.start) return window
  window.previous = start === window.start + WINDOW_MS ? window.current : 0
  window.current = 0
  window.start = start
  return window
}
