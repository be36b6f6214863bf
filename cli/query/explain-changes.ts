import { UsageError } from '../../core/lib/usage-error.ts'
import type { Terminal } from '../terminal.ts'
import { inZone } from './metrics-report.ts'
import { type MetricsVariables, post, requestMetrics } from './metrics-request.ts'

interface Cause {
  cause: string
  events: number | null
  amount: number | null
}

interface Changed {
  before: number
  after: number
  difference: number
  causes: Cause[]
}

interface Explanation extends Changed {
  points: (Changed & { timestamp: string; dimensions: Record<string, string | null> })[]
  fromAsOf: string
  toAsOf: string
  isComplete: boolean
  fromVersion: number | null
  toVersion: number | null
  inFlight: number
}

const CAUSES = 'causes { cause events amount }'
const QUERY = `query ($name: String!, $startTime: DateTime!, $endTime: DateTime!, $fromAsOf: DateTime!, $timeZone: String,
  $interval: Interval, $aggregate: Aggregate, $groupBy: [String!], $filter: [DimensionFilter!], $tenant: ID) {
  explainChange(name: $name, startTime: $startTime, endTime: $endTime, fromAsOf: $fromAsOf, timeZone: $timeZone,
    interval: $interval, aggregate: $aggregate, groupBy: $groupBy, filter: $filter, tenant: $tenant) {
    points { timestamp dimensions before after difference ${CAUSES} }
    fromAsOf toAsOf before after difference ${CAUSES} isComplete fromVersion toVersion inFlight
  }
}`

/** The moment of an earlier result, or how long ago it was. */
export type Since = { at: string } | { agoMs: number }

/**
 * Why a query has another result than at an earlier moment; how long ago that was is measured by Postgres' clock.
 * @throws UsageError with the message of the server
 */
export async function requestChanges(
  endpoint: { url: string; key: string },
  variables: MetricsVariables,
  since: Since,
): Promise<Explanation> {
  const fromAsOf = 'at' in since ? since.at : await momentAgo(endpoint, variables, since.agoMs)
  const body = await post<{ data: { explainChange: Explanation } }>(endpoint, QUERY, {
    ...variables,
    fromAsOf,
  })
  return body.data.explainChange
}

async function momentAgo(
  endpoint: { url: string; key: string },
  variables: MetricsVariables,
  agoMs: number,
): Promise<string> {
  const { asOf } = await requestMetrics(endpoint, { ...variables, interval: 'TOTAL', groupBy: [] })
  if (asOf === undefined)
    throw new UsageError(
      'The server did not report when it read the result.',
      'Give a time with its offset, such as 2026-11-30T08:00:00Z.',
    )
  return new Date(Date.parse(asOf) - agoMs).toISOString()
}

/** The causes, the points that changed, and what is not known. */
export function printChanges(
  terminal: Terminal,
  { name, timeZone, groupBy = [], aggregate = 'COUNT' }: MetricsVariables,
  found: Explanation,
): void {
  const { points, causes, before, after, difference, isComplete, inFlight } = found
  if (causes.length > 0)
    terminal.printTable(
      ['Cause', 'Events', 'Amount'],
      causes.map(({ cause, events, amount }) => [
        cause.toLowerCase(),
        signed(events),
        signed(amount),
      ]),
    )
  if (points.length > 0) {
    terminal.print()
    terminal.printTable(
      ['Time', ...groupBy, 'Before', 'After', 'Difference', 'Causes'],
      points.map((point) => [
        inZone(point.timestamp, timeZone),
        ...groupBy.map((dimension) => point.dimensions[dimension] ?? '(none)'),
        formatted(point.before),
        formatted(point.after),
        signed(point.difference),
        point.causes.map((each) => `${each.cause.toLowerCase()} ${signed(each.amount)}`).join(', '),
      ]),
    )
    terminal.print()
  }
  const period = `from ${inZone(found.fromAsOf, timeZone)} to ${inZone(found.toAsOf, timeZone)}`
  const lines = [
    `${aggregate} of ${name}: ${formatted(before)}, then ${formatted(after)} (${signed(difference)}), ${period}.`,
  ]
  if (!isComplete)
    lines.push(
      'Single events were dropped since: how many of them the earlier result counted is not known.',
    )
  if (inFlight > 0)
    lines.push(`At most ${formatted(inFlight)} of its events were still being written then.`)
  for (const line of lines) terminal.print(terminal.muted(line))
}

function formatted(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: 6 })
}

function signed(value: number | null): string {
  if (value === null) return 'not known'
  return value > 0 ? `+${formatted(value)}` : formatted(value)
}
