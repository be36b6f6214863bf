import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { exportedEntry } from '../../../identity/audit/hash-entry.ts'
import { scopeOf } from '../../../identity/viewer.ts'
import { badInput } from '../../../lib/api-error.ts'
import { auditCursor, type ListedAuditEntry } from '../../../queries/identity/audit-log.ts'
import { QUERY_LIMITS } from '../../../queries/limits.ts'
import type { RestEnv } from '../admit.ts'
import { chooseType, JSON_TYPE, problems, respond, tableContent } from '../formats.ts'
import type { RunOperation } from '../operation.ts'
import type { RespondWithStream } from '../row-stream.ts'
import { tenantQuery } from '../schemas.ts'

const ENTRY = `edges { node { previousHash tenantId sequence at actorKind actor actorName action object before after
  address requestId hash } } pageInfo { hasNextPage }`
const OF_TENANT = `query RestAudit($tenant: ID, $first: Int, $after: String, $action: String, $actor: String, $oldestFirst: Boolean) {
  page: auditLog(tenant: $tenant, first: $first, after: $after, action: $action, actor: $actor, oldestFirst: $oldestFirst) { ${ENTRY} } }`
const OF_SYSTEM = `query RestSystemAudit($first: Int, $after: String, $action: String, $actor: String, $oldestFirst: Boolean) {
  page: systemAuditLog(first: $first, after: $after, action: $action, actor: $actor, oldestFirst: $oldestFirst) { ${ENTRY} } }`

interface Page {
  page: { edges: { node: ListedAuditEntry }[]; pageInfo: { hasNextPage: boolean } }
}

const hash = z.string().openapi({ description: '64 hexadecimal digits.' })
const entry = z
  .object({
    previous_hash: hash,
    tenant_id: z.number().int().openapi({ description: '0: the system as a whole.' }),
    sequence: z.number().int(),
    at: z.string(),
    actor_kind: z.enum(['person', 'key', 'operator', 'cli', 'system']),
    actor: z.string(),
    actor_name: z.string().nullable(),
    action: z.string(),
    object: z.string(),
    before: z.unknown(),
    after: z.unknown(),
    address: z.string().nullable(),
    request_id: z.string().nullable(),
    hash: z.string().openapi({
      description: 'SHA-256 of the canonical JSON (RFC 8785) of all other members.',
    }),
  })
  .openapi('AuditEntry')

const query = tenantQuery.extend({
  system: z.enum(['true', 'false']).optional().openapi({
    description: 'Instead of a tenant the system as a whole; for the operator.',
  }),
  action: z.string().optional().openapi({
    description: 'Exactly this one, or with a dot at its end all of a group.',
    example: 'key.',
  }),
  actor: z.string().optional(),
  order: z.enum(['newest', 'oldest']).optional().openapi({
    description: 'Newest first unless given; exports of CSV and NDJSON oldest first.',
  }),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .optional()
    .openapi({
      description: `At most ${QUERY_LIMITS.auditPageMax} as JSON. Exports have all entries unless given.`,
    }),
  after: z.coerce.number().int().min(0).optional().openapi({
    description: 'The sequence of the entry that the last page ended with.',
  }),
})

const route = createRoute({
  method: 'get',
  path: '/v1/audit',
  tags: ['Audit log'],
  summary: 'Who changed what',
  description:
    'With Accept: application/x-ndjson everything from the oldest entry on, one a line, as the hashes cover it. docs/audit.md describes how to verify them.',
  request: { query },
  responses: {
    200: tableContent(entry, z.object({ next_after: z.number().int().nullable() })),
    ...problems,
  },
})

/** As its hash covers it. */
function toLine(node: ListedAuditEntry) {
  return {
    ...exportedEntry({ ...node, actorKind: node.actorKind.toLowerCase() }),
    hash: node.hash,
  }
}

export interface AuditRouteDeps {
  runOperation: RunOperation
  respondWithStream: RespondWithStream
}

type AuditQuery = z.infer<typeof query>

export function addAuditRoute(
  app: OpenAPIHono<RestEnv>,
  { runOperation, respondWithStream }: AuditRouteDeps,
): void {
  const read = async (c: Context<RestEnv>, asked: AuditQuery, first: number, oldest: boolean) => {
    const { system, tenant, action, actor, after } = asked
    if (system === 'true' && tenant !== undefined)
      throw badInput('system', 'cannot be combined with tenant')
    const cursor = after === undefined ? undefined : auditCursor(after)
    const variables = { tenant, first, after: cursor, action, actor, oldestFirst: oldest }
    const document = system === 'true' ? OF_SYSTEM : OF_TENANT
    const { data } = await runOperation<Page>(c, document, variables)
    const rows = data.page.edges.map(({ node }) => toLine(node))
    return { rows, hasNext: data.page.pageInfo.hasNextPage }
  }

  app.openapi(route, async (c) => {
    const asked = c.req.valid('query')
    const type = chooseType(c.req.header('accept'))
    if (type === JSON_TYPE) {
      const { limit = QUERY_LIMITS.auditPageDefault, order } = asked
      const { rows, hasNext } = await read(c, asked, limit, order === 'oldest')
      const next = hasNext ? (rows.at(-1)?.sequence ?? null) : null
      return respond(c, { rows, meta: { next_after: next } })
    }
    let { after, limit: left = Number.MAX_SAFE_INTEGER } = asked
    const nextPage = async () => {
      const first = Math.min(left, QUERY_LIMITS.auditPageMax)
      const page = await read(c, { ...asked, after }, first, asked.order !== 'newest')
      after = page.rows.at(-1)?.sequence ?? after
      left -= page.rows.length
      return { rows: page.rows, hasNext: page.hasNext && left > 0 }
    }
    const clientId = scopeOf(c.var.sender.viewer)
    return respondWithStream(c, { type, clientId, nextPage })
  })
}
