import type { PlannedEvent } from './events.ts'
import type { LoadResponse } from './post.ts'

/** Events by what the edge reported. */
export interface EventCounts {
  sent: number
  /** In the log: stored, duplicates and dead letters. */
  accepted: number
  /** Refused for the rate limit (429). */
  limited: number
  /** Refused for any other reason (4xx), or rejected as invalid. */
  refused: number
  /** Without a response, or with a 5xx: these may have been accepted. */
  errors: number
}

/** What one tenant must have: at least `min`, and `max` if everything without a clear response was accepted. */
export interface Expected {
  stored: Range
  duplicates: Range
  dead: Range
}

export interface Range {
  min: number
  max: number
}

export interface Tally {
  counts: EventCounts
  /** Sentences about responses that contradict what was sent, the first few. */
  faults: string[]
  /** The first reason of an error or a refusal of a whole request. */
  firstFailure: string | undefined
  add(tenant: number, events: readonly PlannedEvent[], response: LoadResponse | Error): void
  /** Of each tenant. */
  expected(): Expected[]
}

const ACCEPTED = 1
const UNKNOWN = 2
const FAULTS_MAX = 10
const DETAIL_CHARS_MAX = 200

/** @param eventsMax event numbers are smaller; @param tenantOf the tenant of an event number */
export function createTally(
  eventsMax: number,
  tenants: number,
  tenantOf: (i: number) => number,
): Tally {
  const counts: EventCounts = { sent: 0, accepted: 0, limited: 0, refused: 0, errors: 0 }
  const faults: string[] = []
  /** For each number of a good event whether it was accepted, or may have been. */
  const states = new Uint8Array(eventsMax)
  const inLog = Array.from({ length: tenants }, () => ({ good: range(), dead: range() }))

  /** @param isCertain whether they are in the log, or only may be */
  function addToLog(tenant: number, events: readonly PlannedEvent[], isCertain: boolean): void {
    const { good, dead } = inLog[tenant] as (typeof inLog)[number]
    for (const { kind, number } of events) {
      if (kind === 'rejected') continue
      const counted = kind === 'dead' ? dead : good
      counted.max++
      if (isCertain) counted.min++
      if (kind === 'good' && states[number] !== ACCEPTED)
        states[number] = isCertain ? ACCEPTED : UNKNOWN
    }
  }

  function addUnknown(tenant: number, events: readonly PlannedEvent[]): void {
    counts.errors += events.length
    addToLog(tenant, events, false)
  }

  const tally: Tally = {
    counts,
    faults,
    firstFailure: undefined,
    add(tenant, events, response) {
      counts.sent += events.length
      if (response instanceof Error) {
        tally.firstFailure ??= response.message
        addUnknown(tenant, events)
        return
      }
      const { status, body } = response
      const rejected = events.filter(({ kind }) => kind === 'rejected').length
      if (status === 202) {
        const reported = readCounts(body)
        if (reported?.accepted === events.length - rejected && reported.rejected === rejected) {
          counts.accepted += events.length - rejected
          counts.refused += rejected
          addToLog(tenant, events, true)
          return
        }
        if (faults.length < FAULTS_MAX)
          faults.push(
            `a response reports ${reported?.accepted} accepted and ${reported?.rejected} rejected events instead of ${events.length - rejected} and ${rejected}`,
          )
        addUnknown(tenant, events)
        return
      }
      // A request whose events are all invalid is refused as planned.
      if (rejected < events.length || status !== 422)
        tally.firstFailure ??= `${status} ${body.slice(0, DETAIL_CHARS_MAX)}`
      if (status === 429) counts.limited += events.length
      else if (status >= 400 && status < 500) counts.refused += events.length
      else addUnknown(tenant, events)
    },
    expected() {
      const stored = inLog.map(range)
      states.forEach((state, number) => {
        const counted = state === 0 ? undefined : stored[tenantOf(number)]
        if (!counted) return
        counted.max++
        if (state === ACCEPTED) counted.min++
      })
      // A log that does not confirm in time is an error here, and a reason for the edge to append once more.
      const appends = counts.errors > 0 ? 2 : 1
      return inLog.map(({ good, dead }, tenant) => {
        const { min, max } = stored[tenant] as Range
        return {
          stored: { min, max },
          duplicates: { min: good.min - min, max: appends * good.max - max },
          dead: { min: dead.min, max: appends * dead.max },
        }
      })
    },
  }
  return tally
}

function range(): Range {
  return { min: 0, max: 0 }
}

function readCounts(body: string): { accepted: number; rejected: number } | undefined {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
