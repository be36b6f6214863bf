import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Events by number, from senders that send again with the same ids until they hear 202. Number n is an event of
 * its own; one in a hundred is too old and has to become a dead letter; some requests come again as a whole.
 */
export interface Flood {
  /** Of different events, those of requests that got a 202. */
  readonly accepted: number
  /** Known duplicates: events of requests that got a 202 again, without the dead ones. */
  readonly repeated: number
  /** A few of the responses that no sender should get. */
  readonly unexpected: string[]
  /** How often each status came; 0 is no response at all. */
  readonly statuses: Map<number, number>
  readonly responses: FloodResponse[]
  /** Resolves when everything was accepted. */
  done: Promise<void>
  /** Senders end what they have begun and begin nothing more: then all numbers below `accepted` are. */
  stop(): Promise<void>
}

export interface FloodResponse {
  /** Milliseconds since the epoch, when the request was sent. */
  sentAtMs: number
  /** Until the whole response was read. */
  tookMs: number
  status: number
}

export interface FloodOptions {
  url: string
  key: string
  /** How many different ones. */
  events: number
  senders: number
  /** Events in one request, at most. */
  batchMax: number
  random: () => number
  /** Of a sender between its requests. */
  pauseMs?: number
}

const RESPONSE_MS_MAX = 20_000
const LAST_YEAR_MS = 400 * 86_400_000

export function isDead(n: number): boolean {
  return n % 100 === 37
}

export function eventOf(n: number, sinceMs: number): object {
  return {
    event: `flight_${n % 7}`,
    event_id: `e-${n}`,
    user_id: `plane-${n % 997}`,
    // Quarters: sums are exact in whatever order.
    value: (n % 1_000) / 4,
    timestamp: isDead(n) ? sinceMs - LAST_YEAR_MS : sinceMs - (n % 3_600) * 1_000,
    distance: n % 3_000,
  }
}

export function startFlood({
  url,
  key,
  events,
  senders,
  batchMax,
  random,
  pauseMs = 0,
}: FloodOptions): Flood {
  const sinceMs = Date.now()
  const unexpected: string[] = []
  const statuses = new Map<number, number>()
  const responses: FloodResponse[] = []
  let next = 0
  let accepted = 0
  let repeated = 0
  let stopping = false

  async function sender(): Promise<void> {
    while (next < events && !stopping) {
      const count = Math.min(
        events - next,
        random() < 0.3 ? 1 : 1 + Math.floor(random() * batchMax),
      )
      const from = next
      next += count
      const request = {
        body: JSON.stringify({
          events: Array.from({ length: count }, (_, i) => eventOf(from + i, sinceMs)),
        }),
        idempotencyKey: random() < 0.2 ? `from-${from}` : undefined,
      }
      await untilAccepted(request)
      accepted += count
      if (pauseMs > 0) await sleep(pauseMs * (0.5 + random()))
      if (random() >= 0.05) continue
      await untilAccepted({ ...request, idempotencyKey: undefined })
      for (let n = from; n < from + count; n++) if (!isDead(n)) repeated++
    }
  }

  async function untilAccepted(request: { body: string; idempotencyKey: string | undefined }) {
    for (let tries = 0; ; tries++) {
      const { status, retryAfterMs } = await send(request)
      if (status === 202) return
      // A little apart from each other, or they would all come back in the same moment.
      await sleep((retryAfterMs ?? Math.min(1_000, 50 * 2 ** tries)) * (0.5 + random() / 2))
    }
  }

  async function send({
    body: requestBody,
    idempotencyKey,
  }: {
    body: string
    idempotencyKey?: string
  }) {
    const began = Date.now()
    try {
      const response = await fetch(`${url}/v1/events`, {
        method: 'POST',
        headers: {
          Authorization: `Bearer ${key}`,
          'Content-Type': 'application/json',
          ...(idempotencyKey && { 'Idempotency-Key': idempotencyKey }),
        },
        body: requestBody,
        signal: AbortSignal.timeout(RESPONSE_MS_MAX),
      })
      const body = await response.text()
      const { status } = response
      responses.push({ sentAtMs: began, tookMs: Date.now() - began, status })
      const retryAfter = response.headers.get('Retry-After')
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      const known =
        status === 202 || (status === 503 && retryAfter) || (status === 409 && idempotencyKey)
      if (!known && unexpected.length < 20) unexpected.push(`${status} ${body.slice(0, 500)}`)
      return { status, retryAfterMs: retryAfter ? Number(retryAfter) * 1_000 : undefined }
    } catch (error) {
      // The edge is down, or went down with this request.
      statuses.set(0, (statuses.get(0) ?? 0) + 1)
      if ((error as Error).name === 'TimeoutError' && unexpected.length < 20)
        unexpected.push(`no response in ${RESPONSE_MS_MAX / 1000} s`)
      return { status: 0, retryAfterMs: undefined }
    }
  }

  const done = Promise.all(Array.from({ length: senders }, sender)).then(() => {})
  return {
    get accepted() {
      return accepted
    },
    get repeated() {
      return repeated
    },
    unexpected,
    statuses,
    responses,
    done,
    async stop() {
      stopping = true
      await done
    },
  }
}
