import type { ResultOf, VariablesOf } from 'gql.tada'
import { execute } from '../../lib/api/client.ts'
import { EVENT } from '../../lib/api/documents.ts'
import { graphql } from '../../lib/api/graphql.ts'

/** The GraphQL documents of this page. */

export const TOTALS = graphql(`
  query Totals($tenant: ID, $startTime: DateTime!, $endTime: DateTime!) {
    totals(tenant: $tenant, startTime: $startTime, endTime: $endTime, names: 10) {
      count previousCount deadLetters previousDeadLetters duplicates conflicting
      names { name count previousCount }
    }
  }
`)
export type Totals = ResultOf<typeof TOTALS>['totals']
export type NameCount = Totals['names'][number]

/** A separate query: actors are counted from single events, and the totals do not wait for that. */
export const ACTORS = graphql(`
  query Actors($tenant: ID, $startTime: DateTime!, $endTime: DateTime!) {
    totals(tenant: $tenant, startTime: $startTime, endTime: $endTime, names: 0) {
      uniqueActors previousUniqueActors rawSince
    }
  }
`)
export type Actors = ResultOf<typeof ACTORS>['totals']

const UNACCOUNTED = graphql(`
  query Unaccounted($tenant: ID, $startTime: DateTime!, $endTime: DateTime!) {
    balance(tenant: $tenant, startTime: $startTime, endTime: $endTime) { accepted unaccounted counting }
  }
`)

/** The newest events of one name. */
export const RECENT = graphql(
  `
    query Recent($tenant: ID, $name: String, $first: Int) {
      events(tenant: $tenant, name: $name, first: $first) { edges { node { ...StoredEvent } } }
    }
  `,
  [EVENT],
)

/** One name (or `*`) over time, and with `splits` the given names one by one. */
export const METRICS = graphql(`
  query Metrics(
    $tenant: ID, $name: String!, $startTime: DateTime!, $endTime: DateTime!
    $interval: Interval, $timeZone: String, $splits: Boolean!, $filter: [DimensionFilter!]
  ) {
    whole: metrics(
      tenant: $tenant, name: $name, startTime: $startTime, endTime: $endTime
      interval: $interval, timeZone: $timeZone
    ) { timestamp value isFinal lateCount }
    parts: metrics(
      tenant: $tenant, name: "*", startTime: $startTime, endTime: $endTime
      interval: $interval, timeZone: $timeZone, groupBy: ["name"], filter: $filter
    ) @include(if: $splits) { timestamp value isFinal lateCount dimensions }
  }
`)
export type MetricsVariables = VariablesOf<typeof METRICS>

/** Up to when buckets are final, by the alias of `metrics`; milliseconds. GraphQL does not type extensions. */
export function finalThroughOf(extensions: unknown, alias: 'whole' | 'parts'): number | undefined {
  const { metrics } = (extensions ?? {}) as {
    metrics?: Record<string, { finalThrough?: string } | undefined>
  }
  const finalThrough = metrics?.[alias]?.finalThrough
  return finalThrough === undefined ? undefined : Date.parse(finalThrough)
}

/** `(other)` stands for many names, so it cannot be shown alone. */
export const isOneName = (name: string): boolean => name !== '(other)'

interface RangeVariables {
  tenant: string
  startTime: string
  endTime: string
}

export async function fetchTotals(variables: RangeVariables) {
  const result = await execute(TOTALS, variables)
  return result.ok ? { ok: true as const, data: result.data.totals } : result
}

export async function fetchActors(variables: RangeVariables) {
  const result = await execute(ACTORS, variables)
  return result.ok ? { ok: true as const, data: result.data.totals } : result
}

export async function fetchUnaccounted(variables: RangeVariables) {
  const result = await execute(UNACCOUNTED, variables)
  return result.ok ? { ok: true as const, data: result.data.balance } : result
}
