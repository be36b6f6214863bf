import { LIMITS } from '../contract/limits.ts'
import { BoundedMap } from './bounded-map.ts'
import type { Limiter } from './limit.ts'

const WINDOW_MS = 60_000

/**
 * All sums are whole numbers and therefore exact: the fill of a bucket is counted in events × WINDOW_MS,
 * of which a millisecond brings as many as the quota has events. Whoever waits as long as was said is
 * admitted, and not a millisecond before.
 */
interface Bucket {
  fill: number
  /** When `fill` was true. */
  at: number
}

/** Two minutes by the clock; the last one counts for the part of it that a minute's look back still covers. */
interface Window {
  start: number
  previous: number
  current: number
}

/**
 * A token bucket a key and a sliding window a tenant, in this process's memory: right where one
 * process is the whole edge.
 */
export function createMemoryLimiter(): Limiter {
  const buckets = new BoundedMap<string, Bucket>(LIMITS.limiterEntriesMax)
  const windows = new BoundedMap<string, Window>(LIMITS.limiterEntriesMax)

  return {
    async take(key, events, now) {
      const bucketMax = quota(key.key_events_per_minute)
      const windowMax = quota(key.tenant_events_per_minute)
      const bucket = refill(buckets.get(key.key_id), bucketMax, now)
      const window = slide(windows.get(key.tenant), now)
      const waitMs = Math.max(
        waitForTokens(bucket, bucketMax, events, now),
        waitForRoom(window, windowMax, events, now),
      )
      const allowed = waitMs === 0
      const takenFrom = window.start
      if (allowed) {
        bucket.fill -= events * WINDOW_MS
        window.current += events
      }
      buckets.set(key.key_id, bucket)
      windows.set(key.tenant, window)
      return {
        allowed,
        waitMs,
        policies: [
          {
            name: 'key',
            quota: bucketMax,
            windowS: WINDOW_MS / 1000,
            remaining: Math.floor(bucket.fill / WINDOW_MS),
            resetS: seconds(msUntilFull(bucket, bucketMax) + bucket.at - now),
          },
          {
            name: 'tenant',
            quota: windowMax,
            windowS: WINDOW_MS / 1000,
            remaining: Math.max(0, Math.floor(windowMax - used(window, now) / WINDOW_MS)),
            resetS: seconds(emptyAt(window) - now),
          },
        ],
        async giveBack() {
          if (!allowed) return
          bucket.fill = Math.min(bucketMax * WINDOW_MS, bucket.fill + events * WINDOW_MS)
          // Into the minute it was taken from, which may have become the last one meanwhile.
          if (window.start === takenFrom) window.current -= events
          else if (window.start === takenFrom + WINDOW_MS) window.previous -= events
        },
      }
    },
  }
}

function quota(perMinute: number): number {
  return Math.max(1, Math.floor(perMinute))
}

function seconds(ms: number): number {
  return Math.max(0, Math.ceil(ms / 1000))
}

function refill(bucket: Bucket | undefined, max: number, now: number): Bucket {
  if (!bucket) return { fill: max * WINDOW_MS, at: now }
  // After a minute it is full whatever was in it; more would leave the range of exact numbers.
  const passed = Math.min(WINDOW_MS, Math.max(0, now - bucket.at))
  bucket.fill = Math.min(max * WINDOW_MS, bucket.fill + passed * max)
  bucket.at = Math.max(bucket.at, now)
  return bucket
}

function waitForTokens(bucket: Bucket, max: number, events: number, now: number): number {
  const missing = events * WINDOW_MS - bucket.fill
  // A clock that was set back has to come round to where it was before anything flows.
  return missing <= 0 ? 0 : Math.ceil(missing / max) + bucket.at - now
}

function msUntilFull(bucket: Bucket, max: number): number {
  return Math.ceil((max * WINDOW_MS - bucket.fill) / max)
}

function minute(now: number): number {
  return Math.floor(now / WINDOW_MS) * WINDOW_MS
}

function slide(window: Window | undefined, now: number): Window {
  const start = minute(now)
  if (!window) return { start, previous: 0, current: 0 }
  // A clock that was set back must not give the minute away twice.
  if (start <= window.start) return window
  window.previous = start === window.start + WINDOW_MS ? window.current : 0
  window.current = 0
  window.start = start
  return window
}

/** In events × WINDOW_MS. */
function used({ start, previous, current }: Window, now: number): number {
  const left = Math.min(WINDOW_MS, Math.max(0, start + WINDOW_MS - now))
  return previous * left + current * WINDOW_MS
}

function emptyAt(window: Window): number {
  return window.start + (window.current > 0 ? 2 : window.previous > 0 ? 1 : 0) * WINDOW_MS
}

/** Solves `used(then) + events = max` for the time then. */
function waitForRoom(window: Window, max: number, events: number, now: number): number {
  if (used(window, now) + events * WINDOW_MS <= max * WINDOW_MS) return 0
  const { start, previous, current } = window
  const room = max - events - current
  // Still in this minute, as the last one fades; else in the next, as this one does.
  const end =
    room >= 0
      ? start + WINDOW_MS - Math.floor((room * WINDOW_MS) / previous)
      : start + 2 * WINDOW_MS - Math.floor(((max - events) * WINDOW_MS) / current)
  return Math.max(1, end - now)
}
