/**
 * The requests of a load test as a function of a seed and a request number: k6 sends them, and the oracle
 * computes the expected results from the same function. Runs in k6 and in Node, so it imports nothing.
 */
export interface Mix {
  seed: number
  tenants: number
  /** Requests between a request and its earliest repetition. */
  minDistance: number
  /** Milliseconds since the epoch: the events' times are in the hour before. */
  baseMs: number
}

export interface Planned {
  kind: Kind
  /** Index of the tenant whose key it is sent with. */
  tenant: number
  /** Sent with a key that does not exist instead of the tenant's. */
  hasUnknownKey: boolean
  path: string
  idempotencyKey?: string
  body: string
  /** The expected statuses. */
  statuses: readonly number[]
  /** What the response must report, where it does. */
  accepted: number
  rejected: number
  warned: number
  /** A repeated Idempotency-Key: the response is that of the first request. */
  replay: boolean
  events: readonly PlannedEvent[]
}

export interface PlannedEvent {
  /** undefined where the edge generates the id. */
  id: string | undefined
  name: string
  value: number
  outcome: 'counted' | 'dead' | 'rejected'
}

/** Requests of each kind in a thousand. */
const SHARES = {
  /** One event. */
  single: 620,
  /** One event without an id. */
  anonymous: 40,
  /** 2 to 24 events. */
  batch: 120,
  /** A batch, some of whose events are rejected. */
  mixed: 30,
  /** A repeated single event or batch, with the same ids. */
  repeated: 60,
  /** A single event with an Idempotency-Key. */
  idempotent: 40,
  /** A repetition of one of those. */
  replay: 30,
  /** An event of last year: accepted, and found among the dead letters. */
  old: 15,
  /** In the Segment format. */
  segment: 10,
  /** In the Segment format without a name: accepted, and a dead letter, because its clients drop on 4xx. */
  nameless: 10,
  /** Rejected as a whole. */
  invalid: 10,
  /** Invalid JSON. */
  broken: 5,
  /** With a key that does not exist. */
  unknownKey: 10,
} as const
export type Kind = keyof typeof SHARES
/** Each kind as often as its share: one look-up, because k6 is slow and runs on the machine that it measures. */
const KINDS = (Object.keys(SHARES) as Kind[]).flatMap((kind) =>
  Array<Kind>(SHARES[kind]).fill(kind),
)

export const NAMES = [
  'page_view',
  'search',
  'add_to_cart',
  'signup',
  'checkout',
  'purchase',
  'api_error',
  'feedback',
]
/** No one has this key: its checksum is wrong. */
export const UNKNOWN_KEY = 'slc_sec_00000000000000000000000000000000000000'
const BATCH_MAX = 24
const HOUR_MS = 3_600_000
/** How far back a request to repeat is searched for; within it one is practically certain. */
const LOOK_BACK = 1_000

export function plan(mix: Mix, i: number): Planned {
  const random = randomOf(mix, i)
  const kind = kindOf(mix, i)
  if (kind === 'repeated' || kind === 'replay') {
    const repeatable: readonly Kind[] = kind === 'repeated' ? ['single', 'batch'] : ['idempotent']
    const from = i - mix.minDistance - Math.floor(random() * mix.minDistance)
    for (let at = from; at >= 0 && at > from - LOOK_BACK; at--) {
      if (!repeatable.includes(kindOf(mix, at))) continue
      const first = plan(mix, at)
      if (kind === 'repeated') return { ...first, kind }
      // A repetition that comes early gets a 409, because the first request is still in flight.
      return { ...first, kind, replay: true, statuses: [202, 409] }
    }
  }
  return planNew(mix, i, kind === 'repeated' || kind === 'replay' ? 'single' : kind, random)
}

/** The first random number of a request decides its kind. */
function kindOf(mix: Mix, i: number): Kind {
  return KINDS[wholeNumber(randomOf(mix, i), KINDS.length)] as Kind
}

function planNew(mix: Mix, i: number, kind: Kind, random: () => number): Planned {
  // Skips the number that decided the kind.
  random()
  const count = kind === 'batch' || kind === 'mixed' ? 2 + wholeNumber(random, BATCH_MAX - 1) : 1
  const events: PlannedEvent[] = []
  const sent: object[] = []
  let rejected = 0
  for (let n = 0; n < count; n++) {
    const made = event(mix, `${i}-${n}`, kind, n, random)
    events.push(made.planned)
    sent.push(made.sent)
    if (made.planned.outcome === 'rejected') rejected++
  }
  const planned: Planned = {
    kind,
    tenant: wholeNumber(random, mix.tenants),
    hasUnknownKey: kind === 'unknownKey',
    path: '/v1/events',
    body: count === 1 ? JSON.stringify(sent[0]) : JSON.stringify({ events: sent }),
    statuses: [202],
    accepted: count - rejected,
    rejected,
    warned: kind === 'old' ? count : 0,
    replay: false,
    events,
  }
  if (kind === 'idempotent') return { ...planned, idempotencyKey: `k6-${mix.seed}-${i}` }
  if (kind === 'segment' || kind === 'nameless')
    return { ...planned, path: '/v1/track', statuses: [200] }
  if (kind === 'invalid') return { ...planned, statuses: [422] }
  if (kind === 'broken') return { ...planned, body: planned.body.slice(0, -1), statuses: [400] }
  if (kind === 'unknownKey') return { ...planned, statuses: [401] }
  return planned
}

function event(mix: Mix, at: string, kind: Kind, n: number, random: () => number) {
  const name = NAMES[wholeNumber(random, NAMES.length)] as string
  const value = wholeNumber(random, 1_000)
  const user = `user-${wholeNumber(random, 500)}`
  const id = kind === 'anonymous' ? undefined : idOf(mix, at, random)
  const happened = mix.baseMs - wholeNumber(random, HOUR_MS)
  const page = `/page/${wholeNumber(random, 40)}`
  // In a mixed batch the second event, and some of the following.
  const bad = kind === 'invalid' || (kind === 'mixed' && (n === 1 || random() < 0.2))
  const isRejected = bad && !(kind === 'mixed' && n === 0)
  const isDiscarded = kind === 'broken' || kind === 'unknownKey'
  const dead = kind === 'old' || kind === 'nameless'
  const isSegment = kind === 'segment' || kind === 'nameless'
  const planned: PlannedEvent = {
    id,
    name,
    // The Segment format has no value.
    value: isSegment ? 0 : value,
    outcome: isRejected || isDiscarded ? 'rejected' : dead ? 'dead' : 'counted',
  }
  if (isSegment)
    return {
      planned,
      sent: {
        messageId: id,
        event: kind === 'nameless' ? undefined : name,
        userId: user,
        timestamp: new Date(happened).toISOString(),
        properties: { page },
      },
    }
  const sent: Record<string, unknown> = { event: name, event_id: id, user_id: user, value, page }
  if (kind === 'old') sent.timestamp = mix.baseMs - 400 * 24 * HOUR_MS
  else if (isRejected) sent.timestamp = '30 February'
  else if (n % 2 === 0) sent.timestamp = happened
  return { planned, sent }
}

/** Half of the ids are UUIDs. */
function idOf(mix: Mix, at: string, random: () => number): string {
  if (random() < 0.5) return `k6-${mix.seed}-${at}`
  const [a, b, c, d] = [hex(random), hex(random), hex(random), hex(random)]
  return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-8${c.slice(5)}-${c.slice(0, 4)}${d}`
}

/** Eight digits. */
function hex(random: () => number): string {
  return wholeNumber(random, 2 ** 32)
    .toString(16)
    .padStart(8, '0')
}

function wholeNumber(random: () => number, below: number): number {
  return Math.floor(random() * below)
}

/** The random numbers of one request, reproducible and independent of its neighbours (mulberry32, Tommy Ettinger, public domain). */
function randomOf({ seed }: Mix, i: number): () => number {
  let state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(i, 0xc2b2ae35)) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
