import { type KeyRecord, sha256Hex } from '../../contract/api-key.ts'
import { ERRORS } from '../../contract/errors.ts'
import type { IngestFormat } from '../formats/ingest-format.ts'
import { HttpProblem } from '../http/http-problem.ts'

/** Limits events, not requests. */
export interface RateLimiter {
  /** Takes `cost` events from the key's and the tenant's limit, or from neither. */
  limit(key: KeyRecord, cost: number, now: number): Promise<RateLimitResult>
}

export interface RateLimitResult {
  allowed: boolean
  /** Until the same request would be allowed if nobody else sent any; 0 when it is allowed now. */
  waitMs: number
  policies: RateLimitPolicy[]
  /** Redis was away, and the failure policy decided. */
  degraded?: Degraded
  /** Gives back what was taken, for a request that stored nothing new. */
  refund(): Promise<void>
}

/** Which requests are admitted while Redis is away: all, or as many as this process's own limiter admits. */
export type Degraded = 'fail-open' | 'local'

/** In the terms of draft-ietf-httpapi-ratelimit-headers. */
export interface RateLimitPolicy {
  name: 'key' | 'tenant'
  limit: number
  windowSeconds: number
  remaining: number
  /** Until the whole limit is there again. */
  resetSeconds: number
}

/** A bucket is never fuller, so a larger batch would wait in vain. */
export function maxBatch(key: KeyRecord): number {
  return Math.floor(Math.min(key.key_events_per_minute, key.tenant_events_per_minute))
}

/** With the code that the format's clients handle. */
export function overLimitProblem(
  { overLimitCode = 'BATCH_OVER_LIMIT' }: IngestFormat,
  count: number,
  most: number,
): HttpProblem {
  return new HttpProblem(overLimitCode, {
    detail: `The batch holds ${count.toLocaleString('en')} events, but the rate limit never admits more than ${most.toLocaleString('en')} at once. Split it.`,
    ...(overLimitCode === 'RATE_LIMITED' && { headers: { 'retry-after': '60' } }),
  })
}

/** Which limit refused so many events, and how an operator raises it. */
export function limitDetail({ policies }: RateLimitResult, cost: number): string | undefined {
  const hit = policies.find(({ remaining }) => remaining < cost) ?? policies[0]
  if (!hit) return undefined
  const limit = Math.floor(hit.limit)
  const whose = hit.name === 'key' ? 'This API key' : 'The tenant of this API key'
  const verb = hit.name === 'key' ? 'key set <key>' : 'tenant set <tenant>'
  return `${whose} may send ${limit.toLocaleString('en')} events a minute; send again after Retry-After seconds, or raise the limit: npm run sluice -- ${verb} --events-per-minute N.`
}

/** Whole seconds in Retry-After, never fewer than it takes. */
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

/** What a limiter throws that is not a problem already. */
export function limiterUnavailable(error: unknown): HttpProblem {
  if (error instanceof HttpProblem) return error
  return new HttpProblem('LIMITER_UNAVAILABLE', { headers: { 'retry-after': '2' } })
}

/** How a policy's partition is called in the headers. */
type PartitionKeys = Record<RateLimitPolicy['name'], string>

/** A record lives as long as the key cache keeps it, so its hashes cost nothing per request. */
const partitionKeysOf = new WeakMap<KeyRecord, PartitionKeys>()

async function hashPartitionKeys(key: KeyRecord): Promise<PartitionKeys> {
  const partitionKeys = {
    key: await partitionKey(`key ${key.key_id}`),
    tenant: await partitionKey(`tenant ${key.tenant}`),
  }
  partitionKeysOf.set(key, partitionKeys)
  return partitionKeys
}

/** Tells one partition from another and nothing else: 72 bits of a hash of an id, never of the key. */
async function partitionKey(of: string): Promise<string> {
  const bytes = (await sha256Hex(of)).slice(0, 18).match(/../g) ?? []
  return `:${btoa(String.fromCharCode(...bytes.map((byte) => Number.parseInt(byte, 16))))}:`
}

/** RateLimit-Policy, RateLimit and, while Redis is away, Sluice-Degraded. */
export async function rateLimitHeaders(
  result: RateLimitResult,
  key: KeyRecord,
): Promise<Record<string, string>> {
  const degraded = degradedHeaders(result)
  if (result.policies.length === 0) return degraded
  const keys = partitionKeysOf.get(key) ?? (await hashPartitionKeys(key))
  let policy = ''
  let state = ''
  for (const { name, limit, windowSeconds, remaining, resetSeconds } of result.policies) {
    const comma = policy === '' ? '' : ', '
    policy += `${comma}"${name}";q=${limit};w=${windowSeconds};pk=${keys[name]}`
    state += `${comma}"${name}";r=${remaining};t=${resetSeconds};pk=${keys[name]}`
  }
  return { 'ratelimit-policy': policy, ratelimit: state, ...degraded }
}

export function degradedHeaders({ degraded }: { degraded?: string }): Record<string, string> {
  return degraded === undefined ? {} : { 'sluice-degraded': `redis;policy=${degraded}` }
}
