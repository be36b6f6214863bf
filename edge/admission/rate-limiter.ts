import { type KeyRecord, sha256Hex } from '../../contract/api-key.ts'
import { ERRORS } from '../../contract/errors.ts'
import type { IngestFormat } from '../formats/ingest-format.ts'
import { HttpProblem } from '../http/http-problem.ts'

/** Counts events, not requests. */
export interface RateLimiter {
  /** Takes `events` from the key's and the tenant's allowance, or from neither. */
  limit(key: KeyRecord, events: number, now: number): Promise<RateLimitResult>
}

export interface RateLimitResult {
  allowed: boolean
  /** Until the same request would be allowed if nobody else sent any; 0 when it is allowed now. */
  waitMs: number
  policies: RateLimitPolicy[]
  /** Redis was not there, and this came of a policy. */
  degraded?: Degraded
  /** Undoes the taking, for a request that turned out to store nothing new. */
  refund(): Promise<void>
}

/** Who is let in while Redis is away: everybody, or as many as this process's own count admits. */
export type Degraded = 'fail-open' | 'local'

/** In the words of draft-ietf-httpapi-ratelimit-headers. */
export interface RateLimitPolicy {
  name: 'key' | 'tenant'
  limit: number
  windowSeconds: number
  remaining: number
  /** Until the whole quota is there again. */
  resetSeconds: number
}

/** A bucket is never fuller, so whoever sends more at once waits in vain. */
export function maxBatch(key: KeyRecord): number {
  return Math.floor(Math.min(key.key_events_per_minute, key.tenant_events_per_minute))
}

/** Clients that know no 422 hear it in a word that they know. */
export function overLimitProblem(
  { overLimitCode: overLimit = 'BATCH_OVER_LIMIT' }: IngestFormat,
  count: number,
  most: number,
): HttpProblem {
  return new HttpProblem(overLimit, {
    detail: `The batch holds ${count.toLocaleString('en')} events, but the rate limit never admits more than ${most.toLocaleString('en')} at once. Split it.`,
    ...(overLimit === 'RATE_LIMITED' && { headers: { 'retry-after': '60' } }),
  })
}

/**
 * Asks for `events` more and tells what every answer says of it.
 * @param events at most `mostOf` the key
 * @throws LIMITER_UNAVAILABLE
 */
export async function limitEvents(
  limiter: RateLimiter,
  key: KeyRecord,
  events: number,
  now: number,
): Promise<RateLimitResult & { headers: Record<string, string> }> {
  const verdict = await limiter.limit(key, events, now).catch((error: unknown) => {
    if (error instanceof HttpProblem) throw error
    throw new HttpProblem('LIMITER_UNAVAILABLE', { headers: { 'retry-after': '2' } })
  })
  return { ...verdict, headers: await rateLimitHeaders(verdict, key) }
}

/** Said to whoever has to wait: whole seconds, never fewer than it takes. */
export function rateLimitedProblem(
  { waitMs }: Pick<RateLimitResult, 'waitMs'>,
  detail: string = ERRORS.RATE_LIMITED.message,
  code: 'RATE_LIMITED' | 'OVERLOADED' = 'RATE_LIMITED',
): HttpProblem {
  return new HttpProblem(code, {
    detail,
    headers: { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) },
  })
}

/** How a policy's partition is called in the headers. */
type Names = Record<RateLimitPolicy['name'], string>

/** A record lives as long as the directory's answer is fresh, so its hashes cost nothing a request. */
const namesOf = new WeakMap<KeyRecord, Names>()

async function name(key: KeyRecord): Promise<Names> {
  const names = {
    key: await partitionKey(`key ${key.key_id}`),
    tenant: await partitionKey(`tenant ${key.tenant}`),
  }
  namesOf.set(key, names)
  return names
}

/** Tells one partition from another and nothing else: 72 bits of a hash of an id, never of the key. */
async function partitionKey(of: string): Promise<string> {
  const bytes = (await sha256Hex(of)).slice(0, 18).match(/../g) ?? []
  return `:${btoa(String.fromCharCode(...bytes.map((byte) => Number.parseInt(byte, 16))))}:`
}

/** What every answer says of the limits, and of a Redis that is away. */
export async function rateLimitHeaders(
  verdict: RateLimitResult,
  key: KeyRecord,
): Promise<Record<string, string>> {
  const degraded = degradedHeaders(verdict)
  if (verdict.policies.length === 0) return degraded
  const names = namesOf.get(key) ?? (await name(key))
  let policy = ''
  let state = ''
  for (const {
    name,
    limit: quota,
    windowSeconds: windowS,
    remaining,
    resetSeconds: resetS,
  } of verdict.policies) {
    const comma = policy === '' ? '' : ', '
    policy += `${comma}"${name}";q=${quota};w=${windowS};pk=${names[name]}`
    state += `${comma}"${name}";r=${remaining};t=${resetS};pk=${names[name]}`
  }
  return { 'ratelimit-policy': policy, ratelimit: state, ...degraded }
}

export function degradedHeaders({ degraded }: { degraded?: string }): Record<string, string> {
  return degraded === undefined ? {} : { 'sluice-degraded': `redis;policy=${degraded}` }
}
