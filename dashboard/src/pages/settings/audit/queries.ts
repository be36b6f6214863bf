import type { ResultOf } from 'gql.tada'
import { execute, type Result } from '../../../lib/api/client.ts'
import { graphql } from '../../../lib/api/graphql.ts'

export const PAGE_SIZE = 50

const ENTRY = graphql(`
  fragment AuditRow on AuditEntry {
    sequence at actorKind actor actorName action object before after address requestId hash
  }
`)
export type AuditRow = ResultOf<typeof ENTRY>

const LOG = graphql(
  `
    query AuditLog($tenant: ID, $first: Int!, $after: String, $action: String, $actor: String) {
      log: auditLog(tenant: $tenant, first: $first, after: $after, action: $action, actor: $actor) {
        edges { node { ...AuditRow } }
        pageInfo { hasNextPage endCursor }
      }
    }
  `,
  [ENTRY],
)

const SYSTEM_LOG = graphql(
  `
    query SystemAuditLog($first: Int!, $after: String, $action: String, $actor: String) {
      log: systemAuditLog(first: $first, after: $after, action: $action, actor: $actor) {
        edges { node { ...AuditRow } }
        pageInfo { hasNextPage endCursor }
      }
    }
  `,
  [ENTRY],
)

const ACTORS = graphql(`
  query AuditActors($tenant: ID) { members(tenant: $tenant) { person { id name } } }
`)

export interface AuditFilter {
  tenant: string
  /** The system as a whole in place of the tenant. */
  isSystem: boolean
  action: string | undefined
  actor: string | undefined
}

export interface AuditPage {
  rows: AuditRow[]
  /** Of the next, older page; undefined: this is the last one. */
  next: string | undefined
}

export async function fetchAudit({
  tenant,
  isSystem,
  action,
  actor,
  after,
}: AuditFilter & { after: string | undefined }): Promise<Result<AuditPage>> {
  const page = {
    first: PAGE_SIZE,
    after: after ?? null,
    action: action ?? null,
    actor: actor ?? null,
  }
  const result = await (isSystem ? execute(SYSTEM_LOG, page) : execute(LOG, { ...page, tenant }))
  if (!result.ok) return result
  const { edges, pageInfo } = result.data.log
  return {
    ok: true,
    data: {
      rows: edges.flatMap((edge) => (edge?.node ? [edge.node] : [])),
      next: pageInfo.hasNextPage ? (pageInfo.endCursor ?? undefined) : undefined,
    },
  }
}

/** Members, whose actions can be filtered by name. */
export async function fetchActors(variables: {
  tenant: string
}): Promise<Result<{ id: string; name: string }[]>> {
  const result = await execute(ACTORS, variables)
  return result.ok ? { ok: true, data: result.data.members.map(({ person }) => person) } : result
}

/** Where REST has the same entries, one JSON object a line. */
export function exportPath({ tenant, isSystem, action, actor }: AuditFilter): string {
  const search = new URLSearchParams(isSystem ? { system: 'true' } : { tenant })
  if (action !== undefined) search.set('action', action)
  if (actor !== undefined) search.set('actor', actor)
  return `/v1/audit?${search}`
}
