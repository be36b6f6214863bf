import type { ResultOf } from 'gql.tada'
import { graphql } from './graphql.ts'

/** The GraphQL documents that every page needs; those of one page are in its queries.ts. */

export const EVENT = graphql(`
  fragment StoredEvent on Event {
    id name occurredAt receivedAt storedAt actor session source value
    properties context enrichment schemaVersion requestId partition offset
  }
`)
export type StoredEvent = ResultOf<typeof EVENT>

/** Lists up to TENANTS_LISTED tenants; one more tells that there are others. `named` is the one that is shown, if any. */
export const VIEWER = graphql(`
  query Viewer($tenant: String!) {
    viewer {
      kind isOperator signedInAt edgeUrl
      person { id name email }
      memberships { tenant role permissions }
      tenants(first: 101) { id hasEvents }
      named: tenants(search: $tenant, first: 1) { id hasEvents }
      onboarding { edgeUrl tenant writeKey }
    }
  }
`)
const TENANTS_LISTED = 100

export type Viewer = Omit<ResultOf<typeof VIEWER>['viewer'], 'named'> & {
  /** Beyond those in `tenants`. */
  hasMoreTenants: boolean
  /** It is in `tenants` if it exists. */
  namedTenant: string
}

/** @param tenant the variable of the query; a search for the whole id returns that tenant first */
export function viewerOf(data: ResultOf<typeof VIEWER>, tenant: string): Viewer {
  const { named, ...viewer } = data.viewer
  const listed = viewer.tenants.slice(0, TENANTS_LISTED)
  const others = named.filter(({ id }) => id === tenant && !listed.some((each) => each.id === id))
  return {
    ...viewer,
    tenants: [...listed, ...others],
    hasMoreTenants: viewer.tenants.length > TENANTS_LISTED,
    namedTenant: tenant,
  }
}

export type Role = Viewer['memberships'][number]['role']

/** What the viewer is in a tenant; undefined for the operator, who needs no role, and outside of their tenants. */
export const roleIn = ({ memberships }: Pick<Viewer, 'memberships'>, tenant: string) =>
  memberships.find((each) => each.tenant === tenant)?.role

/** Whether the server allows it in that tenant, as it says itself. */
export function mayIn(
  { isOperator, memberships }: Pick<Viewer, 'isOperator' | 'memberships'>,
  tenant: string,
  permission: string,
): boolean {
  if (isOperator) return true
  const membership = memberships.find((each) => each.tenant === tenant)
  return membership?.permissions.includes(permission) ?? false
}

export const FIND_TENANTS = graphql(`
  query FindTenants($search: String!, $first: Int!) {
    viewer { tenants(search: $search, first: $first) { id } }
  }
`)

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

/** What canaries measured; of the pipeline, which all tenants share. */
export const FRESHNESS = graphql(`query Freshness { freshness { hour { p50 p95 } } }`)

/** How far the numbers are behind the log, and which component failed, if one did. */
export type PipelineHealth = Pick<LiveUpdate, 'lagSeconds' | 'failingComponent'>
