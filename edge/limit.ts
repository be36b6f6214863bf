import type { KeyRecord } from '../contract/api-key.ts'
import type { Step } from './context.ts'
import { Refused } from './refuse.ts'

/** Counts events, not requests. */
export interface Limiter {
  /** Takes `events` from the key's and the tenant's allowance, or from neither. */
  take(key: KeyRecord, events: number, now: number): Promise<Verdict>
}

export interface Verdict {
  allowed: boolean
  /** Until the same request would be allowed if nobody else sent any; 0 when it is allowed now. */
  waitMs: number
  policies: PolicyState[]
  /** Undoes the taking, for a request that turned out to store nothing new. */
  giveBack(): Promise<void>
}

/** In the words of draft-ietf-httpapi-ratelimit-headers. */
export interface PolicyState {
  name: 'key' | 'tenant'
  quota: number
  windowS: number
  remaining: number
  /** Until the whole quota is there again. */
  resetS: number
}

/** May they send this many now? */
export function limit(limiter: Limiter, now: () => number): Step {
  return async (c, next) => {
    const key = c.get('key')
    const count = c.get('events').items.length
    const most = Math.floor(Math.min(key.key_events_per_minute, key.tenant_events_per_minute))
    if (count > most)
      throw new Refused('BATCH_OVER_LIMIT', {
        detail: `The batch holds ${count.toLocaleString('en')} events, but the rate limit never admits more than ${most.toLocaleString('en')} at once. Split it.`,
      })
    const verdict = await limiter.take(key, count, now()).catch(() => {
      throw new Refused('LIMITER_UNAVAILABLE', { headers: { 'retry-after': '2' } })
    })
    const { policies } = verdict
    const headers = c.get('headers')
    headers['ratelimit-policy'] = policies
      .map(({ name, quota, windowS }) => `"${name}";q=${quota};w=${windowS}`)
      .join(', ')
    headers.ratelimit = policies
      .map(({ name, remaining, resetS }) => `"${name}";r=${remaining};t=${resetS}`)
      .join(', ')
    if (!verdict.allowed)
      throw new Refused('RATE_LIMITED', {
        headers: { 'retry-after': String(Math.max(1, Math.ceil(verdict.waitMs / 1000))) },
      })
    await next()
    // A stored answer, a request still in flight and a log that did not confirm cost nothing.
    const { status } = c.res
    const replayed = status === 202 && c.get('answer') === undefined
    if (replayed || status === 409 || status >= 500) await verdict.giveBack()
  }
}
