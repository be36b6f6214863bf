import { mulberry32 } from '../../tools/demo/traffic.ts'

/** The events of a load test as a function of their number, so that what must be stored is known without keeping them. */
export interface LoadEvents {
  /** What is sent as event number `i`. */
  plan(i: number): PlannedEvent
  /** The JSON of a planned event. */
  serialize(event: PlannedEvent): string
}

export interface PlannedEvent {
  kind: 'good' | 'rejected' | 'dead'
  /** The event's own number, or that of the earlier event that it repeats. */
  number: number
}

export interface EventsOptions {
  /** Distinguishes the ids of this run from those of others. */
  run: number
  /** Shares of all events, from 0 to 1. */
  duplicateRate: number
  /** Half of these are rejected by the edge, the other half is accepted and becomes dead letters. */
  badRate: number
  /** Events between an event and the next request of the same tenant. */
  stride: number
  /** Of event `i`, in milliseconds since the epoch. */
  timeOf: (i: number) => number
}

const USERS = 100
const YEAR_AND_MORE_MS = 400 * 86_400_000
/** A repeated event was first sent so many requests of its tenant before, at most. */
const REPEAT_REQUESTS_MAX = 20

/** The four types, and their share in percent. */
const TYPES: readonly { name: string; percent: number; properties: (roll: number) => object }[] = [
  {
    name: 'page_view',
    percent: 70,
    properties: (roll) => ({ page: pick(PAGES, roll), referrer: pick(REFERRERS, roll * 7) }),
  },
  {
    name: 'click',
    percent: 15,
    properties: (roll) => ({ page: pick(PAGES, roll), element: pick(ELEMENTS, roll * 7) }),
  },
  {
    name: 'purchase',
    percent: 10,
    properties: (roll) => ({ value: Math.round(roll * 20_000) / 100, currency: 'EUR' }),
  },
  {
    name: 'api_error',
    percent: 5,
    properties: (roll) => ({ status: pick([429, 500, 503], roll), path: '/v1/orders' }),
  },
]
const PAGES = ['/', '/pricing', '/docs', '/blog', '/signup', '/contact']
const REFERRERS = ['google', 'newsletter', 'github', 'direct']
const ELEMENTS = ['buy', 'menu', 'search', 'video']

export function createEvents(options: EventsOptions): LoadEvents {
  const { duplicateRate, badRate, stride, timeOf } = options
  const prefix = `${options.run.toString(16).padStart(8, '0').slice(-8)}-0000-7000-8000-`
  const randomOf = (i: number) => mulberry32(options.run ^ Math.imul(i + 1, 0x9e3779b1))

  function kindOf(i: number): PlannedEvent['kind'] | 'duplicate' {
    const random = randomOf(i)
    const roll = random()
    if (roll < badRate) return random() < 0.5 ? 'rejected' : 'dead'
    return roll < badRate + duplicateRate ? 'duplicate' : 'good'
  }

  return {
    plan(i) {
      const kind = kindOf(i)
      if (kind !== 'duplicate') return { kind, number: i }
      const random = randomOf(i)
      // The first decided the kind.
      random()
      const back = 1 + Math.floor(random() * REPEAT_REQUESTS_MAX)
      for (let requests = back; requests > 0; requests--) {
        const number = i - requests * stride
        if (number >= 0 && kindOf(number) === 'good') return { kind: 'good', number }
      }
      // Among the first there may be none to repeat.
      return { kind: 'good', number: i }
    },
    serialize({ kind, number }) {
      const random = randomOf(number)
      random()
      const { name, properties } = typeOf(random())
      return JSON.stringify({
        ...(kind !== 'rejected' && { event: name }),
        event_id: prefix + number.toString(16).padStart(12, '0'),
        user_id: `user-${Math.floor(random() * USERS)}`,
        timestamp: Math.floor(timeOf(number) - (kind === 'dead' ? YEAR_AND_MORE_MS : 0)),
        ...properties(random()),
      })
    },
  }
}

function typeOf(roll: number): (typeof TYPES)[number] {
  let left = roll * 100
  for (const type of TYPES) {
    left -= type.percent
    if (left < 0) return type
  }
  return TYPES[0] as (typeof TYPES)[number]
}

function pick<T>(from: readonly T[], roll: number): T {
  return from[Math.floor((roll % 1) * from.length)] as T
}
