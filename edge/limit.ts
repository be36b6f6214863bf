import { type KeyRecord, sha256Hex } from '../contract/api-key.ts'
import { REFUSALS } from '../contract/refusals.ts'
import type { Step } from './context.ts'
import { Refused } from './refuse.ts'
import type { Way } from './way.ts'

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

/** May they send this many now? @param limiter undefined where limits are turned off */
export function limit(limiter: Limiter | undefined, now: () => number): Step {
  return async (c, next) => {
    if (!limiter) return next()
    const key = c.get('key')
    const count = c.get('incoming').items.length
    const most = mostOf(key)
    if (count > most) throw overLimit(c.get('way'), count, most)
    const verdict = await admit(limiter, key, count, now())
    Object.assign(c.get('headers'), verdict.headers)
    if (!verdict.allowed) throw tooMany(verdict, undefined, c.get('way').overRate)
    await next()
    // A stored answer, a request still in flight and a log that did not confirm cost nothing.
    const { status } = c.res
    const replayed = status < 300 && c.get('said') === undefined
    if (replayed || status === 409 || status >= 500) await verdict.giveBack()
  }
}

/** A bucket is never fuller, so whoever sends more at once waits in vain. */
export function mostOf(key: KeyRecord): number {
  return Math.floor(Math.min(key.key_events_per_minute, key.tenant_events_per_minute))
}

/** Clients that know no 422 hear it in a word that they know. */
function overLimit({ overLimit = 'BATCH_OVER_LIMIT' }: Way, count: number, most: number): Refused {
  return new Refused(overLimit, {
    detail: `The batch holds ${count.toLocaleString('en')} events, but the rate limit never admits more than ${most.toLocaleString('en')} at once. Split it.`,
    ...(overLimit === 'RATE_LIMITED' && { headers: { 'retry-after': '60' } }),
  })
}

/**
 * Asks for `events` more and tells what every answer says of it.
 * @param events at most `mostOf` the key
 * @throws LIMITER_UNAVAILABLE
 */
export async function admit(
  limiter: Limiter,
  key: KeyRecord,
  events: number,
  now: number,
): Promise<Verdict & { headers: Record<string, string> }> {
  const verdict = await limiter.take(key, events, now).catch(() => {
    throw new Refused('LIMITER_UNAVAILABLE', { headers: { 'retry-after': '2' } })
  })
  const names = namesOf.get(key) ?? (await name(key))
  return { ...verdict, headers: headersFor(verdict.policies, names) }
}

/** Said to whoever has to wait: whole seconds, never fewer than it takes. */
export function tooMany(
  { waitMs }: Pick<Verdict, 'waitMs'>,
  detail: string = REFUSALS.RATE_LIMITED.says,
  code: 'RATE_LIMITED' | 'OVERLOADED' = 'RATE_LIMITED',
): Refused {
  return new Refused(code, {
    detail,
    headers: { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) },
  })
}

/** How a policy's partition is called in the headers. */
type Names = Record<PolicyState['name'], string>

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

function headersFor(policies: readonly PolicyState[], names: Names): Record<string, string> {
  let policy = ''
  let state = ''
  for (const { name, quota, windowS, remaining, resetS } of policies) {
    const comma = policy === '' ? '' : ', '
    policy += `${comma}"${name}";q=${quota};w=${windowS};pk=${names[name]}`
    state += `${comma}"${name}";r=${remaining};t=${resetS};pk=${names[name]}`
  }
  return { 'ratelimit-policy': policy, ratelimit: state }
}
