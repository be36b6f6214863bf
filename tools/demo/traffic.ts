/** Invented events of a small shop; the same seed gives the same people and actions. */
export interface Traffic {
  /** @param now milliseconds since the epoch */
  next(count: number, now: number): object[]
}

const PAGES = [
  '/',
  '/pricing',
  '/docs',
  '/docs/quickstart',
  '/blog/exactly-once',
  '/blog/watermarks',
  '/signup',
  '/contact',
]
const ZONES = [
  'Europe/Berlin',
  'America/New_York',
  'America/Los_Angeles',
  'Asia/Kathmandu',
  'Asia/Tokyo',
  'Africa/Lagos',
  'Australia/Sydney',
  'America/Sao_Paulo',
]
const REFERRERS = ['google', 'newsletter', 'github', 'direct', 'hacker-news']
const PLANS = ['free', 'team', 'business']
const ACTORS = 400

/** The share of each kind of event, in percent. */
const KINDS: readonly [name: string, weight: number][] = [
  ['page_view', 52],
  ['search', 14],
  ['add_to_cart', 11],
  ['signup', 6],
  ['checkout', 6],
  ['purchase', 5],
  ['api_error', 4],
  ['feedback', 2],
]

export function createTraffic(seed: number): Traffic {
  const random = mulberry32(seed)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T
  let last: object | undefined

  function event(now: number): object {
    const roll = random()
    // Some events are duplicates, and some are invalid: a dashboard should show both.
    if (roll < 0.015 && last) return last
    if (roll < 0.025) return { event: 'page_view', occurred_at: '30 February' }
    if (roll < 0.032) return { ...make(now), timestamp: now - 400 * 86_400_000 }
    last = make(now)
    return last
  }

  function make(now: number): object {
    const name = kind(random())
    const actor = Math.floor(ACTORS * random() ** 2)
    const zone = ZONES[actor % ZONES.length]
    const common = {
      event: name,
      event_id: uuid(random),
      user_id: `user-${actor}`,
      session_id: `session-${actor}-${Math.floor(now / 1_800_000)}`,
      timestamp: now - Math.floor(random() * 2_000),
      source: actor % 3 === 0 ? 'mobile' : 'web',
      time_zone: zone,
    }
    if (name === 'purchase')
      return { ...common, value: Math.round(random() * 20_000) / 100, plan: pick(PLANS) }
    if (name === 'api_error')
      return { ...common, status: pick([429, 500, 503]), path: '/v1/orders' }
    if (name === 'search') return { ...common, results: Math.floor(random() * 40) }
    return { ...common, page: pick(PAGES), referrer: pick(REFERRERS) }
  }

  return { next: (count, now) => Array.from({ length: count }, () => event(now)) }
}

function kind(roll: number): string {
  let left = roll * 100
  for (const [name, weight] of KINDS) {
    left -= weight
    if (left < 0) return name
  }
  return 'page_view'
}

/** A UUIDv7: because of its time, a restart with the same seed does not repeat ids. */
function uuid(random: () => number): string {
  const time = Date.now().toString(16).padStart(12, '0')
  const hex = Array.from({ length: 18 }, () => Math.floor(random() * 16).toString(16)).join('')
  return `${time.slice(0, 8)}-${time.slice(8, 12)}-7${hex.slice(0, 3)}-8${hex.slice(3, 6)}-${hex.slice(6, 18)}`
}

/** The pseudo-random generator mulberry32 (Tommy Ettinger, public domain). */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
