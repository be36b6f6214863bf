import type { ResultOf } from 'gql.tada'
import { execute, type Result } from '../../lib/api/client.ts'
import { graphql } from '../../lib/api/graphql.ts'
import type { SeriesVariables } from './queries.ts'

/** Why the result is another one than it was before. */

export const CHANGES = graphql(`
  query ExploreChanges(
    $tenant: ID, $name: String!, $startTime: DateTime!, $endTime: DateTime!, $fromAsOf: DateTime!, $interval: Interval
    $timeZone: String, $aggregate: Aggregate, $groupBy: [String!], $filter: [DimensionFilter!]
  ) {
    explainChange(
      tenant: $tenant, name: $name, startTime: $startTime, endTime: $endTime, fromAsOf: $fromAsOf, interval: $interval
      timeZone: $timeZone, aggregate: $aggregate, groupBy: $groupBy, filter: $filter
    ) {
      before after difference isComplete fromVersion toVersion inFlight
      causes { cause events amount }
      points { timestamp dimensions before after difference causes { cause amount } }
    }
  }
`)
export type Changes = ResultOf<typeof CHANGES>['explainChange']
export type Cause = Changes['causes'][number]['cause']

export async function fetchChanges(
  { isSplit: _, ...variables }: SeriesVariables,
  fromAsOf: string,
): Promise<Result<Changes>> {
  const result = await execute(CHANGES, { ...variables, fromAsOf })
  return result.ok ? { ok: true, data: result.data.explainChange } : result
}

export const CAUSES: Record<Cause, string> = {
  ARRIVED: 'Arrived in time',
  LATE: 'Late events',
  IMPORT: 'Historical imports',
  REPLAY: 'Replays',
  UNRECORDED: 'Arrival not recorded',
  BACKFILL: 'History counted since',
  DEFINITION: 'Another definition',
  RETENTION: 'Single events dropped',
  ERASURE: 'Erased events',
  OLDER_THAN_KEPT: 'Older than what is kept',
}
