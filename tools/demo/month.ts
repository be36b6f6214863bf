import { hash } from 'node:crypto'
import { MONTH_KINDS, type MonthKind } from './month-kinds.ts'
import { hourlyWeights, type MonthPlan } from './month-rhythm.ts'
import { mulberry32 } from './traffic.ts'

export interface MonthOptions {
  /** The same seed, size and end give the same events, with the same ids. */
  seed: number
  /** Events to send, duplicates and late ones included; dead letters come on top. */
  events: number
  days: number
  /** Milliseconds since 1970: no event occurred after it. */
  untilMs: number
}

/** Invented events of a small shop, as clients would have sent them over some weeks. */
export interface Month {
  /** In the order in which they occurred. */
  inOrder: Record<string, unknown>[]
  /** Of phones that were offline: sent after events that occurred hours later. */
  late: Record<string, unknown>[]
  /** As one of the others, with the same id. */
  repeated: Record<string, unknown>[]
  /** Valid events whose time no tenant takes. */
  untimely: Record<string, unknown>[]
  /** Messages for /v1/batch, each invalid in another way. */
  invalid: Record<string, unknown>[]
}

const ACTORS = 1_500
const LATE_SHARE = 0.01
const REPEATED_SHARE = 0.012
const DEAD_SHARE = 0.002
const DAY_MS = 86_400_000
/** Younger than the default age limit of a tenant, so that they arrive without an import. */
const LATE_AGE_MS_MAX = 28 * DAY_MS

export function createMonth(options: MonthOptions): Month {
  const { events, days, seed, untilMs } = options
  const random = mulberry32(seed)
  const plan = hourlyWeights(untilMs, days)
  const repeats = Math.round(events * REPEATED_SHARE)
  const unique = events - repeats
  const times = spread(plan, unique, random)
  const all = times.map((atMs, index) =>
    eventAt(atMs, { random, plan, id: idOf(options, `event ${index}`) }),
  )
  const inOrder: Record<string, unknown>[] = []
  const late: Record<string, unknown>[] = []
  for (const event of all) {
    const ageMs = untilMs - (event.timestamp as number)
    const isLate = random() < LATE_SHARE && event.source === 'mobile' && ageMs < LATE_AGE_MS_MAX
    ;(isLate && ageMs > DAY_MS ? late : inOrder).push(event)
  }
  const repeated = Array.from(
    { length: repeats },
    () => inOrder[Math.floor(random() * inOrder.length)] ?? all[0] ?? {},
  )
  const dead = Math.max(6, Math.round(events * DEAD_SHARE))
  return {
    inOrder,
    late,
    repeated,
    untimely: untimelyEvents(options, Math.ceil(dead / 2)),
    invalid: Array.from({ length: Math.floor(dead / 2) }, (_, i) => invalidMessage(i)),
  }
}

/** Times in ascending order, as many in each hour as its weight asks for. */
function spread({ hours, startMs }: MonthPlan, count: number, random: () => number): number[] {
  const total = hours.reduce((sum, { weight }) => sum + weight, 0)
  const times: number[] = []
  let owed = 0
  hours.forEach(({ weight, ms }, hour) => {
    owed += (count * weight) / total
    const isLast = hour === hours.length - 1
    const here = (isLast ? count : Math.min(count, Math.floor(owed))) - times.length
    const begin = startMs + hour * 3_600_000
    const drawn = Array.from({ length: Math.max(0, here) }, () => Math.floor(begin + random() * ms))
    times.push(...drawn.sort((a, b) => a - b))
  })
  return times
}

interface EventContext {
  random: () => number
  plan: MonthPlan
  id: string
}

function eventAt(atMs: number, { random, plan, id }: EventContext): Record<string, unknown> {
  const { name, fields } = kindAt(atMs, plan, random)
  const actor = Math.floor(ACTORS * random() ** 2)
  return {
    event: name,
    event_id: id,
    timestamp: atMs,
    user_id: `customer-${actor}`,
    session_id: `visit-${actor}-${Math.floor(atMs / 1_800_000)}`,
    source: actor % 3 === 0 ? 'mobile' : actor % 7 === 0 ? 'api' : 'web',
    ...fields?.(random),
  }
}

function kindAt(atMs: number, plan: MonthPlan, random: () => number): MonthKind {
  const isReleased = atMs >= plan.releaseMs
  const isDown = atMs >= plan.outage.fromMs && atMs < plan.outage.untilMs
  const weightOf = (kind: MonthKind) => {
    if (kind.isNew && !isReleased) return 0
    return isDown && kind.isFailure ? kind.weight * 40 : kind.weight
  }
  let left = random() * MONTH_KINDS.reduce((sum, kind) => sum + weightOf(kind), 0)
  for (const kind of MONTH_KINDS) {
    left -= weightOf(kind)
    if (left < 0) return kind
  }
  return MONTH_KINDS[0] as MonthKind
}

function untimelyEvents(options: MonthOptions, count: number): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, i) => ({
    event: 'page_viewed',
    event_id: idOf(options, `untimely ${i}`),
    // Every third has a clock that is two days fast; it has to be so when it is sent.
    timestamp: i % 3 === 0 ? Date.now() + 2 * DAY_MS : options.untilMs - 400 * DAY_MS,
    source: 'mobile',
  }))
}

/** Each has one fault, and a different one in turn. */
function invalidMessage(index: number): Record<string, unknown> {
  const message = { type: 'track', event: 'page_viewed', userId: `customer-${index}` }
  const faults = [
    { event: '' },
    { timestamp: '30 February' },
    { event: '$reserved' },
    { userId: 'x'.repeat(300) },
  ]
  return { ...message, ...faults[index % faults.length] }
}

/** A UUIDv8 that only these options and this label give. */
function idOf({ seed, events, days, untilMs }: MonthOptions, label: string): string {
  const hex = hash('sha256', JSON.stringify([seed, events, days, untilMs, label]), 'hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
