import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'

/**
 * Events by number, from senders that send again with the same ids until they hear 202. Number n is an event of
 * its own; one in a hundred is too old and has to become a dead letter; some requests come again as a whole.
 */
export interface Flood {
  /** Of different events, those of requests that got a 202. */
  readonly accepted: number
  /** Events of requests that got a 202 again. */
  readonly repeated: number
  /** Answers that no sender should get, a few of them. */
  readonly strange: string[]
  /** How often each status came; 0 is no answer at all. */
  readonly statuses: Map<number, number>
  /** Milliseconds from asking to the answer, of those that were answered. */
  readonly waits: number[]
  /** Resolves when everything was accepted. */
  done: Promise<void>
  /** Senders end what they have begun and begin nothing more. */
  stop(): Promise<void>
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
}

const ANSWER_MS_MAX = 20_000
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

export function startFlood({ url, key, events, senders, batchMax, random }: FloodOptions): Flood {
  const sinceMs = Date.now()
  const strange: string[] = []
  const statuses = new Map<number, number>()
  const waits: number[] = []
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
      if (random() >= 0.05) continue
      await untilAccepted({ ...request, idempotencyKey: undefined })
      repeated += count
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

  async function send({ body, idempotencyKey }: { body: string; idempotencyKey?: string }) {
    const began = Date.now()
    try {
      const response = await fetch(`${url}/v1/events`, {
        method: 'POST',
        headers: {
          Authorization: `Bearer ${key}`,
          'Content-Type': 'application/json',
          ...(idempotencyKey && { 'Idempotency-Key': idempotencyKey }),
        },
        body,
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      })
      const said = await response.text()
      waits.push(Date.now() - began)
      const { status } = response
      const retryAfter = response.headers.get('Retry-After')
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
      const known =
        status === 202 || (status === 503 && retryAfter) || (status === 409 && idempotencyKey)
      if (!known && strange.length < 20) strange.push(`${status} ${said.slice(0, 500)}`)
      return { status, retryAfterMs: retryAfter ? Number(retryAfter) * 1_000 : undefined }
    } catch (error) {
      // The edge is down, or went down with this request.
      statuses.set(0, (statuses.get(0) ?? 0) + 1)
      if ((error as Error).name === 'TimeoutError' && strange.length < 20)
        strange.push(`no answer in ${ANSWER_MS_MAX / 1000} s`)
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
    strange,
    statuses,
    waits,
    done,
    async stop() {
      stopping = true
      await done
    },
  }
}

export interface Found {
  /** Numbers below `events` that are neither stored nor dead letters, as they should be. */
  lost: number
  /** Rows of a number that is there already, or of none. */
  tooMany: number
  deadLost: number
  /** Different numbers among the dead letters that should be none. */
  deadTooMany: number
  duplicates: number
}

/** Looks for each event by its number, among the stored ones and the dead letters of a tenant. */
export async function findAll(pool: pg.Pool, tenant: string, events: number): Promise<Found> {
  const { rows } = await pool.query(
    `WITH t AS (SELECT tenant_id FROM tenant WHERE slug = $1),
     expected AS (SELECT n, n % 100 = 37 AS dead FROM generate_series(0, $2::int - 1) n),
     stored AS (SELECT substr(client_event_id, 3)::int AS n, count(*) AS times
                  FROM event WHERE tenant_id = (TABLE t) GROUP BY 1),
     letters AS (SELECT DISTINCT substr(convert_from(original, 'UTF8')::json ->> 'event_id', 3)::int AS n
                   FROM dead_letter WHERE tenant_id = (TABLE t)),
     both_ AS (SELECT * FROM expected FULL JOIN stored USING (n)),
     letters_too AS (SELECT e.n AS wanted, e.dead, l.n AS letter FROM expected e FULL JOIN letters l USING (n))
     SELECT (SELECT count(*)::int FROM both_ WHERE NOT dead AND times IS NULL) AS lost,
            (SELECT coalesce(sum(CASE WHEN dead IS NOT FALSE THEN times ELSE times - 1 END), 0)::int
               FROM both_ WHERE times IS NOT NULL) AS "tooMany",
            (SELECT count(*)::int FROM letters_too WHERE dead AND letter IS NULL) AS "deadLost",
            (SELECT count(*)::int FROM letters_too WHERE letter IS NOT NULL AND dead IS NOT TRUE) AS "deadTooMany",
            (SELECT coalesce(sum(duplicate), 0)::int FROM outcome_minute WHERE tenant_id = (TABLE t)) AS duplicates`,
    [tenant, events],
  )
  return rows[0]
}
