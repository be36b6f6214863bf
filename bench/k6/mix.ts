/**
 * What is sent, as a function of a seed and a request's number: k6 asks it what to send, the oracle asks it again
 * what must have come of it. Runs in k6 and in Node, so it imports nothing.
 */
export interface Mix {
  seed: number
  tenants: number
  /** A repetition comes at least this many requests after what it repeats. */
  apart: number
  /** Milliseconds since the epoch: events say that they happened in the hour before. */
  baseMs: number
}

export interface Planned {
  kind: Kind
  /** From 0; whose key it is sent with. */
  tenant: number
  /** A key that nobody has, in place of the tenant's. */
  stranger: boolean
  path: string
  idempotencyKey?: string
  body: string
  /** The only right ones. */
  statuses: readonly number[]
  /** What the answer must say, where it says it. */
  accepted: number
  rejected: number
  warned: number
  /** Nothing new comes of it: the answer is the first one's. */
  replay: boolean
  events: readonly PlannedEvent[]
}

export interface PlannedEvent {
  /** undefined: the edge makes one up. */
  id: string | undefined
  name: string
  value: number
  fate: 'counted' | 'dead' | 'refused'
}

/** How many in a thousand requests are of a kind. */
const SHARES = {
  /** One event. */
  single: 620,
  /** One event without an id. */
  anonymous: 40,
  /** 2 to 24 events. */
  batch: 120,
  /** A batch, some of whose events are refused. */
  mixed: 30,
  /** The same single event or batch once more, with the same ids. */
  again: 60,
  /** A single event with an Idempotency-Key. */
  once: 40,
  /** One of those, word for word. */
  replay: 30,
  /** An event of last year: taken, and found among the dead letters. */
  old: 15,
  /** In Segment's words. */
  segment: 10,
  /** In Segment's words, without a name: its clients cannot be told, so it is a dead letter. */
  nameless: 10,
  /** Refused as a whole. */
  invalid: 10,
  /** No JSON at all. */
  broken: 5,
  /** With a key that nobody has. */
  stranger: 10,
} as const
export type Kind = keyof typeof SHARES
/** Each as often as its share. k6 is slow at thinking, and thinks on the machine that it measures. */
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
/** Of nobody: its check digits are wrong. */
export const STRANGERS_KEY = 'slc_sec_00000000000000000000000000000000000000'
const BATCH_MAX = 24
const HOUR_MS = 3_600_000
/** Further back nothing is looked for; by then the share of what is looked for is certain. */
const LOOK_BACK = 1_000

export function plan(mix: Mix, i: number): Planned {
  const random = randomOf(mix, i)
  const kind = kindOf(mix, i)
  if (kind === 'again' || kind === 'replay') {
    const wanted: readonly Kind[] = kind === 'again' ? ['single', 'batch'] : ['once']
    const from = i - mix.apart - Math.floor(random() * mix.apart)
    for (let at = from; at >= 0 && at > from - LOOK_BACK; at--) {
      if (!wanted.includes(kindOf(mix, at))) continue
      const first = plan(mix, at)
      if (kind === 'again') return { ...first, kind }
      // Whoever asks too early hears that the first one is still being worked on.
      return { ...first, kind, replay: true, statuses: [202, 409] }
    }
  }
  return fresh(mix, i, kind === 'again' || kind === 'replay' ? 'single' : kind, random)
}

/** The first draw of a request decides what it is. */
function kindOf(mix: Mix, i: number): Kind {
  return KINDS[whole(randomOf(mix, i), KINDS.length)] as Kind
}

function fresh(mix: Mix, i: number, kind: Kind, random: () => number): Planned {
  // The draw that decided the kind.
  random()
  const count = kind === 'batch' || kind === 'mixed' ? 2 + whole(random, BATCH_MAX - 1) : 1
  const events: PlannedEvent[] = []
  const sent: object[] = []
  let rejected = 0
  for (let n = 0; n < count; n++) {
    const made = event(mix, `${i}-${n}`, kind, n, random)
    events.push(made.planned)
    sent.push(made.sent)
    if (made.planned.fate === 'refused') rejected++
  }
  const planned: Planned = {
    kind,
    tenant: whole(random, mix.tenants),
    stranger: kind === 'stranger',
    path: '/v1/events',
    body: count === 1 ? JSON.stringify(sent[0]) : JSON.stringify({ events: sent }),
    statuses: [202],
    accepted: count - rejected,
    rejected,
    warned: kind === 'old' ? count : 0,
    replay: false,
    events,
  }
  if (kind === 'once') return { ...planned, idempotencyKey: `k6-${mix.seed}-${i}` }
  if (kind === 'segment' || kind === 'nameless')
    return { ...planned, path: '/v1/track', statuses: [200] }
  if (kind === 'invalid') return { ...planned, statuses: [422] }
  if (kind === 'broken') return { ...planned, body: planned.body.slice(0, -1), statuses: [400] }
  if (kind === 'stranger') return { ...planned, statuses: [401] }
  return planned
}

function event(mix: Mix, at: string, kind: Kind, n: number, random: () => number) {
  const name = NAMES[whole(random, NAMES.length)] as string
  const value = whole(random, 1_000)
  const user = `user-${whole(random, 500)}`
  const id = kind === 'anonymous' ? undefined : idOf(mix, at, random)
  const happened = mix.baseMs - whole(random, HOUR_MS)
  const page = `/page/${whole(random, 40)}`
  // In a mixed batch the second one, and then some.
  const bad = kind === 'invalid' || (kind === 'mixed' && (n === 1 || random() < 0.2))
  const refused = bad && !(kind === 'mixed' && n === 0)
  const lost = kind === 'broken' || kind === 'stranger'
  const dead = kind === 'old' || kind === 'nameless'
  const inSegmentsWords = kind === 'segment' || kind === 'nameless'
  const planned: PlannedEvent = {
    id,
    name,
    // Segment knows no value.
    value: inSegmentsWords ? 0 : value,
    fate: refused || lost ? 'refused' : dead ? 'dead' : 'counted',
  }
  if (inSegmentsWords)
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
  else if (refused) sent.timestamp = '30 February'
  else if (n % 2 === 0) sent.timestamp = happened
  return { planned, sent }
}

/** Half of them UUIDs, half of them words. */
function idOf(mix: Mix, at: string, random: () => number): string {
  if (random() < 0.5) return `k6-${mix.seed}-${at}`
  const [a, b, c, d] = [hex(random), hex(random), hex(random), hex(random)]
  return `${a}-${b.slice(0, 4)}-4${b.slice(5)}-8${c.slice(5)}-${c.slice(0, 4)}${d}`
}

/** Eight digits. */
function hex(random: () => number): string {
  return whole(random, 2 ** 32)
    .toString(16)
    .padStart(8, '0')
}

function whole(random: () => number, below: number): number {
  return Math.floor(random() * below)
}

/** Of one request: the same numbers whoever asks, and others for its neighbours (mulberry32, Tommy Ettinger, public domain). */
function randomOf({ seed }: Mix, i: number): () => number {
  let state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) + Math.imul(i, 0xc2b2ae35)) >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
