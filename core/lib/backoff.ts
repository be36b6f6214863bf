export interface BackoffOptions {
  /** The wait of attempt 0. */
  baseMs: number
  /** No wait is longer. */
  maxMs?: number
  /** Cut each wait to a random part between a half and the whole of it, so that many clients spread out. */
  jitter?: boolean
}

/** How long to wait before the next attempt, in milliseconds: baseMs · 2^attempt, at most maxMs. */
export function backoffMs(
  attempt: number,
  { baseMs, maxMs = Number.POSITIVE_INFINITY, jitter = false }: BackoffOptions,
): number {
  const ms = Math.min(maxMs, baseMs * 2 ** attempt)
  return jitter ? ms * (0.5 + Math.random() / 2) : ms
}
