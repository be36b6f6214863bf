import { LIMITS } from '../../../contract/limits.ts'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { addDecimals, type Decimal, negate, toDecimal } from '../../lib/decimal.ts'
import {
  ceilBucket15m,
  floorBucket15m,
  fromMicros,
  type Instant,
  isBefore,
  toMicros,
} from '../instant.ts'
import type { MetricsResult } from '../metrics/events-over-time.ts'
import { findRawSince } from '../raw-since.ts'
import type { Range } from '../sql/buckets.ts'
import { readCauses, readHeld, type Scope, type Side } from './change-causes.ts'
import type { DefinitionAt } from './definition-at.ts'
import { droppedDays } from './dropped-days.ts'
import type { Change } from './ledger.ts'

export interface TransitionDeps {
  /** Of one snapshot. */
  db: Database
  viewer: TenantViewer
  scope: Scope
  /** Of now. */
  result: MetricsResult
  latest: DefinitionAt
}

/** What changed from one moment to another. */
export interface Transition {
  changes: Change[]
  isComplete: boolean
  inFlight: number
}

export async function readTransition(
  deps: TransitionDeps,
  from: Side & { at: Instant },
  to: Side,
): Promise<Transition> {
  const { db, viewer, scope } = deps
  const rows = await readCauses(db, viewer, from, to, scope)
  const changes: Change[] = rows.flatMap(({ cause, timestamp, dims, events, amount }) =>
    cause === null ? [] : [{ timestamp, dims, cause, events, amount }],
  )
  const isGuessed = changes.some(({ cause }) => cause === 'OLDER_THAN_KEPT')
  const lost = await readLost(deps, from, to)
  return {
    changes: [...changes, ...lost.changes],
    isComplete: lost.isComplete && !isGuessed,
    inFlight: rows.reduce((sum, { in_flight }) => sum + in_flight, 0),
  }
}

const NOTHING = { changes: [] as Change[], isComplete: true }

/**
 * What single events can no longer tell, because days of them were dropped. Rollups keep counting them: then all that
 * may be unknown is whether the earlier result had them, which it did if they were stored by then. Where single events
 * were read, the later result lacks them, and nothing knows how many they were.
 */
async function readLost(
  deps: TransitionDeps,
  from: Side & { at: Instant },
  to: Side,
): Promise<Pick<Transition, 'changes' | 'isComplete'>> {
  const { db, viewer, latest } = deps
  const { range } = latest.args
  const dropped = await droppedDays(db, range.start, { from: from.at, to: to.at })
  if (!dropped.any) return NOTHING
  if ((await findRawSince(db, viewer, { range })).rows.length === 0) return NOTHING
  const isSame = from.definition.metricId === to.definition.metricId
  const readsEvents = [from, to].some(({ definition }) => !isFromRollupsOnly(definition, range))
  const changes: Change[] = []
  if (dropped.between && readsEvents)
    changes.push({ timestamp: undefined, dims: [], cause: 'RETENTION', events: null, amount: null })
  const isOfLatest = to.definition.metricId === latest.metricId
  const isCounted = latest.fromRollups && isOfLatest
  if (isCounted && (!isSame || dropped.unknownThrough !== undefined)) {
    const before = isSame ? endOfDay(dropped.unknownThrough as string) : undefined
    changes.push(...(await readDropped(deps, before)))
  }
  const isUnknown = !isSame && !isCounted
  return { changes, isComplete: changes.length === 0 && !isUnknown }
}

/** What the result counts of events that are no longer held: all of it may have been counted since. */
async function readDropped(
  { db, viewer, scope, result, latest }: TransitionDeps,
  before: Instant | undefined,
): Promise<Change[]> {
  const left = new Map<string, Left>()
  const add = (timestamp: Instant, dims: (string | null)[], amount: Decimal) => {
    const key = `${timestamp} ${JSON.stringify(dims)}`
    const known = left.get(key) ?? { amount: '0', largest: 0 }
    const largest = Math.max(known.largest, Math.abs(Number(amount)))
    left.set(key, { timestamp, dims, amount: addDecimals([known.amount, amount]), largest })
  }
  for (const { timestamp, dimensions, value } of result.rows)
    add(timestamp, Object.values(dimensions), toDecimal(value))
  for (const { timestamp, dims, amount } of await readHeld(db, viewer, latest, scope))
    add(timestamp, dims, negate(amount))
  return [...left.values()]
    .filter(({ timestamp }) => before === undefined || isBefore(timestamp, before))
    .filter(({ amount, largest }) => Math.abs(Number(amount)) > largest * ROUNDING)
    .map(({ timestamp, dims, amount }) => ({
      timestamp,
      dims,
      cause: 'OLDER_THAN_KEPT' as const,
      events: scope.isSum ? null : Number(amount),
      amount,
    }))
}

interface Left {
  timestamp: Instant
  dims: (string | null)[]
  amount: Decimal
  largest: number
}

/** Sums of doubles in rollups depend on their order; of counts it is less than one. */
const ROUNDING = 1e-11

/** A later bucket has no event that was received on the day. */
function endOfDay(day: string): Instant {
  const end = toMicros(`${day}T00:00:00Z`) + 86_400_000_000n
  return fromMicros(end + BigInt(LIMITS.futureSecondsMax) * 1_000_000n)
}

function isFromRollupsOnly({ fromRollups }: DefinitionAt, { start, end }: Range): boolean {
  const isWhole = (instant: Instant, edge: Instant) => toMicros(instant) === toMicros(edge)
  return fromRollups && isWhole(start, ceilBucket15m(start)) && isWhole(end, floorBucket15m(end))
}
