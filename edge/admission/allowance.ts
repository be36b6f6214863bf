import type { KeyRecord } from '../../contract/api-key.ts'
import type { RateLimitPolicy } from './rate-limiter.ts'

export const WINDOW_MS = 60_000

/**
 * All sums are whole numbers and therefore exact: the fill of a bucket is counted in events × WINDOW_MS,
 * of which a millisecond brings as many as the quota has events. A request that waits as long as it was
 * told is admitted, and not a millisecond earlier.
 */
export interface Bucket {
  fill: number
  /** When `fill` was true. */
  at: number
}

/** Two minutes by the clock; the previous one counts for the part of it that lies within the last 60 s. */
export interface Window {
  start: number
  previous: number
  current: number
}

/** What a key and its tenant may send in a minute. */
export interface Quotas {
  bucketMax: number
  windowMax: number
}

export function quotasOf(key: KeyRecord): Quotas {
  return {
    bucketMax: quota(key.key_events_per_minute),
    windowMax: quota(key.tenant_events_per_minute),
  }
}

function quota(perMinute: number): number {
  return Math.max(1, Math.floor(perMinute))
}

/** Milliseconds until both admit so many events; 0 when they do now. Both are as they stand at `now`. */
export function waitFor(
  bucket: Bucket,
  window: Window,
  { bucketMax, windowMax }: Quotas,
  events: number,
  now: number,
): number {
  return Math.max(
    waitForTokens(bucket, bucketMax, events, now),
    waitForWindow(window, windowMax, events, now),
  )
}

function waitForTokens(bucket: Bucket, max: number, events: number, now: number): number {
  const missing = events * WINDOW_MS - bucket.fill
  // A clock that was set back has to reach its earlier time before the bucket refills.
  return missing <= 0 ? 0 : Math.ceil(missing / max) + bucket.at - now
}

/** Solves `used(then) + events = max` for the time then. */
function waitForWindow(window: Window, max: number, events: number, now: number): number {
  if (used(window, now) + events * WINDOW_MS <= max * WINDOW_MS) return 0
  const { start, previous, current } = window
  const free = max - events - current
  // Still in this minute, as the previous one fades; else in the next, as this one does.
  const end =
    free >= 0
      ? start + WINDOW_MS - Math.floor((free * WINDOW_MS) / previous)
      : start + 2 * WINDOW_MS - Math.floor(((max - events) * WINDOW_MS) / current)
  return Math.max(1, end - now)
}

/** Both policies after the events were taken, or were not. */
export function policiesOf(
  bucket: Bucket,
  window: Window,
  { bucketMax, windowMax }: Quotas,
  now: number,
): RateLimitPolicy[] {
  return [
    {
      name: 'key',
      limit: bucketMax,
      windowSeconds: WINDOW_MS / 1000,
      remaining: Math.floor(bucket.fill / WINDOW_MS),
      resetSeconds: seconds(msUntilFull(bucket, bucketMax) + bucket.at - now),
    },
    {
      name: 'tenant',
      limit: windowMax,
      windowSeconds: WINDOW_MS / 1000,
      remaining: Math.max(0, Math.floor(windowMax - used(window, now) / WINDOW_MS)),
      resetSeconds: seconds(emptyAt(window) - now),
    },
  ]
}

function seconds(ms: number): number {
  return Math.max(0, Math.ceil(ms / 1000))
}

function msUntilFull(bucket: Bucket, max: number): number {
  return Math.ceil((max * WINDOW_MS - bucket.fill) / max)
}

/** In events × WINDOW_MS. */
function used({ start, previous, current }: Window, now: number): number {
  const left = Math.min(WINDOW_MS, Math.max(0, start + WINDOW_MS - now))
  return previous * left + current * WINDOW_MS
}

function emptyAt(window: Window): number {
  return window.start + (window.current > 0 ? 2 : window.previous > 0 ? 1 : 0) * WINDOW_MS
}
