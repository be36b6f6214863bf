import type { ResultOf } from 'gql.tada'
import { execute, type Result } from '../../../lib/api/client.ts'
import { graphql } from '../../../lib/api/graphql.ts'
import type { Window } from '../../../lib/time/range.ts'
import type { ResultInfo } from '../queries.ts'
import type { Filter } from '../query-state.ts'
import type { FunnelQuery, RetentionQuery } from './state.ts'

export const FUNNEL = graphql(`
  query ExploreFunnel(
    $tenant: ID, $steps: [EventSelection!]!, $startTime: DateTime!, $endTime: DateTime!, $windowSeconds: Int
  ) {
    funnel(
      tenant: $tenant, steps: $steps, startTime: $startTime, endTime: $endTime, windowSeconds: $windowSeconds
    ) { withoutActor steps { name actors conversion overall medianSeconds } }
  }
`)
export type Funnel = ResultOf<typeof FUNNEL>['funnel'] & { info: ResultInfo | undefined }

export const RETENTION = graphql(`
  query ExploreRetention(
    $tenant: ID, $first: EventSelection!, $returning: EventSelection, $startTime: DateTime!, $endTime: DateTime!
    $interval: RetentionInterval, $timeZone: String
  ) {
    retention(
      tenant: $tenant, first: $first, returning: $returning, startTime: $startTime, endTime: $endTime
      interval: $interval, timeZone: $timeZone
    ) { cohorts { timestamp date actors returned } }
  }
`)
export type Retention = ResultOf<typeof RETENTION>['retention'] & { info: ResultInfo | undefined }

interface Asked {
  tenant: string
  filters: readonly Filter[]
  window: Window
}

const selectionOf = (name: string | undefined, filters: readonly Filter[]) => ({
  name: name ?? '*',
  filter: filters.map((each) => ({ dimension: each.dimension, in: [...each.in] })),
})

const times = ({ from, to }: Window) => ({
  startTime: new Date(from).toISOString(),
  endTime: new Date(to).toISOString(),
})

export async function fetchFunnel({
  tenant,
  filters,
  window,
  steps,
  windowSeconds,
}: Asked & FunnelQuery): Promise<Result<Funnel>> {
  const result = await execute(FUNNEL, {
    tenant,
    ...times(window),
    steps: steps.map((name) => selectionOf(name, filters)),
    windowSeconds,
  })
  if (!result.ok) return result
  return { ok: true, data: { ...result.data.funnel, info: infoOf(result.extensions, 'funnel') } }
}

export async function fetchRetention({
  tenant,
  filters,
  window,
  first,
  returning,
  interval,
  timeZone,
}: Asked & RetentionQuery & { timeZone: string }): Promise<Result<Retention>> {
  const result = await execute(RETENTION, {
    tenant,
    ...times(window),
    first: selectionOf(first, filters),
    returning: selectionOf(returning, filters),
    interval,
    timeZone,
  })
  if (!result.ok) return result
  return {
    ok: true,
    data: { ...result.data.retention, info: infoOf(result.extensions, 'retention') },
  }
}

/** GraphQL does not type extensions. */
function infoOf(extensions: unknown, alias: string): ResultInfo | undefined {
  const { metrics } = (extensions ?? {}) as { metrics?: Record<string, ResultInfo | undefined> }
  return metrics?.[alias]
}
