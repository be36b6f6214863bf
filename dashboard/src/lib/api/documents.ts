import type { ResultOf } from 'gql.tada'
import { graphql } from './graphql.ts'

/** The GraphQL documents that every page needs; those of one page are in its queries.ts. */

export const EVENT = graphql(`
  fragment StoredEvent on Event {
    id name occurredAt receivedAt storedAt actor session source value
    properties context schemaVersion requestId partition offset
  }
`)
export type StoredEvent = ResultOf<typeof EVENT>

export const VIEWER = graphql(`
  query Viewer {
    viewer { kind tenants { id hasEvents } onboarding { edgeUrl tenant writeKey } }
  }
`)
export type Viewer = ResultOf<typeof VIEWER>['viewer']

export const LIVE = graphql(
  `
    subscription Live($tenant: ID) {
      live(tenant: $tenant) {
        at eventsPerMinute minutes { minute count } lagSeconds failingComponent
        recent { ...StoredEvent }
      }
    }
  `,
  [EVENT],
)
export type LiveUpdate = ResultOf<typeof LIVE>['live']

/** How far the numbers are behind the log, and which component failed, if one did. */
export type PipelineHealth = Pick<LiveUpdate, 'lagSeconds' | 'failingComponent'>
