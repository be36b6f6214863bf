import type { ResultOf } from 'gql.tada'
import type { Point } from '../../charts/points.ts'
import { execute, type Result } from '../../lib/api/client.ts'
import { graphql } from '../../lib/api/graphql.ts'
import type { Window } from '../../lib/time/range.ts'
import type { SeriesVariables } from './queries.ts'
import type { Series } from './series.ts'

/** The period before, and what explains a difference. */

export const COMPARE = graphql(`
  query ExploreCompare(
    $tenant: ID, $name: String!, $startTime: DateTime!, $endTime: DateTime!, $interval: Interval
    $timeZone: String, $aggregate: Aggregate, $filter: [DimensionFilter!]
  ) {
    compare(
      tenant: $tenant, name: $name, startTime: $startTime, endTime: $endTime, interval: $interval
      timeZone: $timeZone, aggregate: $aggregate, filter: $filter
    ) { previousStart previousEnd points { timestamp previousTimestamp previousValue isFinal } }
  }
`)
export type Comparison = ResultOf<typeof COMPARE>['compare']

export async function fetchComparison({
  groupBy: _,
  isSplit: __,
  ...variables
}: SeriesVariables): Promise<Result<Comparison>> {
  const result = await execute(COMPARE, variables)
  return result.ok ? { ok: true, data: result.data.compare } : result
}

/** The period before, bucket by bucket of a series; NaN where it has no such bucket, or no value. */
export function previousPoints(series: Series, { points }: Comparison, empty: number): Point[] {
  const byTime = new Map(
    points.flatMap((point) =>
      point.timestamp === null ? [] : [[Date.parse(point.timestamp), point] as const],
    ),
  )
  return series.times.map((time) => {
    const point = byTime.get(time)
    const value = point ? (point.previousValue ?? Number.NaN) : empty
    const previous = point?.previousTimestamp ?? null
    return {
      time: previous === null ? Number.NaN : Date.parse(previous),
      value,
      isFinal: true,
      lateCount: 0,
    }
  })
}

export const CONTRIBUTIONS = graphql(`
  query ExploreContributions(
    $tenant: ID, $name: String!, $dimension: String!, $startTime: DateTime!, $endTime: DateTime!
    $timeZone: String, $aggregate: Aggregate, $filter: [DimensionFilter!]
  ) {
    contributions(
      tenant: $tenant, name: $name, dimension: $dimension, startTime: $startTime, endTime: $endTime
      timeZone: $timeZone, aggregate: $aggregate, filter: $filter, limit: 12
    ) {
      before after difference found previousStart previousEnd
      contributions { value before after difference isOther }
    }
  }
`)
export type Contributions = ResultOf<typeof CONTRIBUTIONS>['contributions'] & {
  /** What the rows are values of: they stay for a moment when another one is chosen. */
  dimension: string
}
export type Contribution = Contributions['contributions'][number]

export async function fetchContributions(
  { tenant, name, timeZone, aggregate, filter }: SeriesVariables,
  { from, to }: Window,
  dimension: string,
): Promise<Result<Contributions>> {
  const result = await execute(CONTRIBUTIONS, {
    tenant,
    name,
    timeZone,
    aggregate,
    filter,
    dimension,
    startTime: new Date(from).toISOString(),
    endTime: new Date(to).toISOString(),
  })
  return result.ok ? { ok: true, data: { ...result.data.contributions, dimension } } : result
}
