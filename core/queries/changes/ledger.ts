import { addDecimals, type Decimal, negate, toDecimal } from '../../lib/decimal.ts'
import type { Instant } from '../instant.ts'
import type { MetricsResult } from '../metrics/events-over-time.ts'
import { OTHER } from '../sql/names.ts'
import { CHANGE_CAUSES, type ChangeCause } from './change-causes.ts'

/** What one cause changed, in one bucket of one group or in all. */
export interface CauseOfChange {
  cause: ChangeCause
  /** Events that are counted more; fewer where it is below 0. Null: not known. */
  events: number | null
  /** Of the value, which is the number of events for COUNT. Null: not known. */
  amount: number | null
}

/** A change of one bucket of one group; without a bucket of an unknown one. */
export interface Change {
  timestamp: Instant | undefined
  dims: (string | null)[]
  cause: ChangeCause
  events: number | null
  amount: Decimal | null
}

export interface LedgerRow {
  timestamp: Instant
  dims: (string | null)[]
  before: number
  after: number
  difference: number
  causes: CauseOfChange[]
}

/** The values of a result, from which changes are taken back; decimal, so that nothing is lost by their order. */
export interface Ledger {
  /** Takes changes back: the values are those of an earlier moment then. */
  rewind(changes: readonly Change[]): void
  /** What the changes made of the values before them. */
  explain(changes: readonly Change[]): {
    rows: LedgerRow[]
    before: number
    after: number
    difference: number
    causes: CauseOfChange[]
  }
}

interface Point {
  timestamp: Instant
  dims: (string | null)[]
  value: Decimal
}

/** Groups are those of the result: where it counts some together, what others changed is theirs. */
export function createLedger({ rows, info }: MetricsResult): Ledger {
  const points = new Map<string, Point>()
  const listed = new Set<string>()
  for (const { timestamp, dimensions, value } of rows) {
    const dims = Object.values(dimensions)
    listed.add(JSON.stringify(dims))
    points.set(keyOf(timestamp, dims), { timestamp, dims, value: toDecimal(value) })
  }
  const [first] = rows
  const other = Object.keys(first?.dimensions ?? {}).map(() => OTHER)
  const hasOther = other.length > 0 && (listed.has(JSON.stringify(other)) || isCut(info.groups))
  const groupOf = (dims: (string | null)[]) =>
    hasOther && !listed.has(JSON.stringify(dims)) ? other : dims

  function pointOf(timestamp: Instant, dims: (string | null)[]): Point {
    const group = groupOf(dims)
    const key = keyOf(timestamp, group)
    const point = points.get(key) ?? { timestamp, dims: group, value: '0' }
    points.set(key, point)
    return point
  }

  return {
    rewind(changes) {
      for (const { timestamp, dims, amount } of changes) {
        if (timestamp === undefined || amount === null) continue
        const point = pointOf(timestamp, dims)
        point.value = addDecimals([point.value, negate(amount)])
      }
    },
    explain(changes) {
      const byPoint = new Map<Point, Change[]>()
      for (const change of changes) {
        if (change.timestamp === undefined) continue
        const point = pointOf(change.timestamp, change.dims)
        const known = byPoint.get(point)
        if (known) known.push(change)
        else byPoint.set(point, [change])
      }
      const found = [...byPoint].map(([{ timestamp, dims, value }, of]) => ({
        timestamp,
        dims,
        ...numbersOf(value, of),
      }))
      found.sort(
        (a, b) =>
          (a.timestamp < b.timestamp ? -1 : a.timestamp > b.timestamp ? 1 : 0) ||
          Math.abs(b.difference) - Math.abs(a.difference),
      )
      const after = addDecimals([...points.values()].map(({ value }) => value))
      return { rows: found, ...numbersOf(after, changes) }
    },
  }
}

function isCut(groups: { found: number; listed: number } | undefined): boolean {
  return groups !== undefined && groups.found > groups.listed
}

function keyOf(timestamp: Instant, dims: readonly (string | null)[]): string {
  return `${timestamp} ${JSON.stringify(dims)}`
}

function numbersOf(after: Decimal, changes: readonly Change[]) {
  const difference = addDecimals(changes.map(({ amount }) => amount ?? '0'))
  return {
    before: Number(addDecimals([after, negate(difference)])),
    after: Number(after),
    difference: Number(difference),
    causes: CHANGE_CAUSES.flatMap((cause) => {
      const of = changes.filter((change) => change.cause === cause)
      return of.length === 0 ? [] : [sumOf(cause, of)]
    }),
  }
}

function sumOf(cause: ChangeCause, changes: readonly Change[]): CauseOfChange {
  const isKnown = <T>(values: (T | null)[]): values is T[] => !values.includes(null)
  const events = changes.map((change) => change.events)
  const amounts = changes.map((change) => change.amount)
  return {
    cause,
    events: isKnown(events) ? events.reduce((sum, each) => sum + each, 0) : null,
    amount: isKnown(amounts) ? Number(addDecimals(amounts)) : null,
  }
}
