import { LIMITS } from '../contract/limits.ts'
import { BoundedMap } from './bounded-map.ts'
import type { Limiter } from './limit.ts'

const WINDOW_MS = 60_000
/** Sums of fractions may miss a whole number by this much; no client shall wait for it. */
const EPSILON = 1e-6

/** A bucket that holds a minute's worth and fills evenly. */
interface Bucket {
  tokens: number
  /** When `tokens` was true. */
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
      const bucketMax = key.key_events_per_minute
      const windowMax = key.tenant_events_per_minute
      const bucket = refill(buckets.get(key.key_id), bucketMax, now)
      const window = slide(windows.get(key.tenant), now)
      const waitMs = Math.max(
        waitForTokens(bucket, bucketMax, events),
        waitForRoom(window, windowMax, events, now),
      )
      const allowed = waitMs === 0
      if (allowed) {
        bucket.tokens -= events
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
            remaining: whole(bucket.tokens),
            resetS: Math.ceil(((bucketMax - bucket.tokens) * 60) / bucketMax),
          },
          {
            name: 'tenant',
            quota: windowMax,
            windowS: WINDOW_MS / 1000,
            remaining: whole(windowMax - used(window, now)),
            resetS: Math.ceil((emptyAt(window) - now) / 1000),
          },
        ],
        async giveBack() {
          if (!allowed) return
          bucket.tokens = Math.min(bucketMax, bucket.tokens + events)
          // Into the minute it was taken from, which may have become the last one meanwhile.
          const side = window.start === minute(now) ? 'current' : 'previous'
          window[side] = Math.max(0, window[side] - events)
        },
      }
    },
  }
}

function refill(bucket: Bucket | undefined, max: number, now: number): Bucket {
  if (!bucket) return { tokens: max, at: now }
  const passed = Math.max(0, now - bucket.at)
  bucket.tokens = Math.min(max, bucket.tokens + (passed * max) / WINDOW_MS)
  bucket.at = Math.max(bucket.at, now)
  return bucket
}

function waitForTokens(bucket: Bucket, max: number, events: number): number {
  const missing = events - bucket.tokens
  return missing <= EPSILON ? 0 : (missing * WINDOW_MS) / max
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

function used(window: Window, now: number): number {
  const passed = Math.min(1, Math.max(0, (now - window.start) / WINDOW_MS))
  return window.previous * (1 - passed) + window.current
}

function emptyAt(window: Window): number {
  return window.start + (window.current > 0 ? 2 : window.previous > 0 ? 1 : 0) * WINDOW_MS
}

/** Solves `used(then) + events = max` for the time then. */
function waitForRoom(window: Window, max: number, events: number, now: number): number {
  if (used(window, now) + events <= max + EPSILON) return 0
  const room = max - events - window.current
  // Still in this minute, as the last one fades; else in the next, as this one does.
  const then =
    room >= 0
      ? window.start + WINDOW_MS * (1 - room / window.previous)
      : window.start + WINDOW_MS * (2 - (max - events) / window.current)
  return Math.max(1, then - now)
}

function whole(count: number): number {
  return Math.max(0, Math.floor(count + EPSILON))
}
