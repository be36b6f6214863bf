import { gql, type TypedDocumentNode } from '@urql/core'
import type { MetricPoint } from '../../charts/points.ts'
import type { Interval } from '../time/range.ts'

/** Everything the dashboard asks, and the shapes of the answers (core/api/graphql has the schema). */

export interface Viewer {
  kind: 'SESSION' | 'KEY'
  tenants: { id: string; hasEvents: boolean }[]
  firstSteps: { edgeUrl: string; tenant: string; writeKey: string } | null
}

export interface Totals {
  count: number
  previousCount: number
  deadLetters: number
  previousDeadLetters: number
  duplicates: number
  names: NameCount[]
}
/** `(other)` stands for many names, so nobody can ask for it alone. */
export const isOneName = (name: string): boolean => name !== '(other)'

export interface Actors {
  /** null where some of the single events that actors are counted from are no longer held. */
  uniqueActors: number | null
  previousUniqueActors: number | null
  /** Since when they are held, where the range begins earlier. */
  rawSince: string | null
}
export interface NameCount {
  name: string
  count: number
  previousCount: number
}

export interface StoredEvent {
  /** The client's own id. */
  id: string
  name: string
  occurredAt: string
  receivedAt: string
  storedAt: string
  actor: string | null
  session: string | null
  source: string | null
  value: number | null
  properties: Record<string, unknown>
  context: Record<string, unknown> | null
  schemaVersion: string | null
  requestId: string | null
  partition: number
  offset: string
}

export interface LiveUpdate {
  at: string
  /** Stored in the last 60 s. */
  eventsPerMinute: number
  /** The last 60 minutes by minute received, oldest first, zero-filled; the last one is open. */
  minutes: { minute: string; count: number }[]
  /** Since the push before, newest first, at most 50. */
  recent: StoredEvent[]
  behindSeconds: number
  broken: string | null
}

export const VIEWER = gql<{ viewer: Viewer }, Record<string, never>>`
  query Viewer {
    viewer { kind tenants { id hasEvents } firstSteps { edgeUrl tenant writeKey } }
  }
`

export type RangeQuestion<T> = TypedDocumentNode<
  { totals: T },
  { tenant: string; startTime: string; endTime: string }
>

export const TOTALS: RangeQuestion<Totals> = gql`
  query Totals($tenant: ID, $startTime: DateTime!, $endTime: DateTime!) {
    totals(tenant: $tenant, startTime: $startTime, endTime: $endTime, names: 10) {
      count previousCount deadLetters previousDeadLetters duplicates
      names { name count previousCount }
    }
  }
`

/** Asked apart: actors are counted row by row, and the rest need not wait for that. */
export const ACTORS: RangeQuestion<Actors> = gql`
  query Actors($tenant: ID, $startTime: DateTime!, $endTime: DateTime!) {
    totals(tenant: $tenant, startTime: $startTime, endTime: $endTime, names: 0) {
      uniqueActors previousUniqueActors rawSince
    }
  }
`

const EVENT = `
  id name occurredAt receivedAt storedAt actor session source value
  properties context schemaVersion requestId partition offset
`

export const RECENT = gql<
  { events: { edges: { node: StoredEvent }[] } },
  { tenant: string; name: string; first: number }
>`
  query Recent($tenant: ID, $name: String, $first: Int) {
    events(tenant: $tenant, name: $name, first: $first) { edges { node { ${EVENT} } } }
  }
`

export const LIVE = gql<{ live: LiveUpdate }, { tenant: string }>`
  subscription Live($tenant: ID) {
    live(tenant: $tenant) {
      at eventsPerMinute minutes { minute count } behindSeconds broken
      recent { ${EVENT} }
    }
  }
`

/** One name (or `*`) over time, and with `splits` the given names apart. */
export const METRICS = gql<
  { whole: MetricPoint[]; parts?: (MetricPoint & { dimensions: { name: string } })[] },
  {
    tenant: string
    name: string
    startTime: string
    endTime: string
    interval: Interval
    timeZone: string
    splits: boolean
    filter: { dimension: string; in: string[] }[]
  }
>`
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
`
