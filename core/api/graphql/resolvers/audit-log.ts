import type { GraphQLResolveInfo } from 'graphql'
import { badInput } from '../../../lib/api-error.ts'
import {
  type AuditLogArgs,
  type AuditScope,
  auditHead,
  auditLogPage,
  type ListedAuditEntry,
} from '../../../queries/identity/audit-log.ts'
import { QUERY_LIMITS } from '../../../queries/limits.ts'
import type { Builder } from '../builder.ts'
import type { RequestContext } from '../context.ts'
import { needs } from '../permissions.ts'

export function addAuditLog(builder: Builder): void {
  const entry = addEntry(builder)
  const head = builder.objectRef<{ sequence: number; hash: string }>('AuditHead').implement({
    description:
      'The newest entry of a chain: kept elsewhere, it shows later that nothing up to it was changed or removed.',
    fields: (t) => ({
      sequence: t.exposeFloat('sequence'),
      hash: t.exposeString('hash'),
    }),
  })
  builder.queryField('auditHead', (t) =>
    t.field({
      ...needs('audit.read'),
      type: head,
      nullable: true,
      description: "The newest entry of a tenant's audit log; null while there is none.",
      args: { tenant: t.arg.id() },
      async resolve(_, { tenant }, context, info) {
        const viewer = await context.tenant(tenant)
        return (await context.run(auditHead, viewer, {}, info)).rows[0]
      },
    }),
  )
  builder.queryField('systemAuditHead', (t) =>
    t.field({
      ...needs('system.operate'),
      type: head,
      nullable: true,
      description: 'The newest entry of what concerns the system as a whole.',
      async resolve(_, __, context, info) {
        return (await context.run(auditHead, 'system', {}, info)).rows[0]
      },
    }),
  )
  addConnections(builder, entry)
}

type ArgBuilder = Parameters<Parameters<Builder['queryField']>[1]>[0]['arg']

const PAGE = `newest first; at most ${QUERY_LIMITS.auditPageMax} on a page.`

function addConnections(builder: Builder, entry: ReturnType<typeof addEntry>): void {
  const filters = (t: ArgBuilder) => ({
    action: t.string({
      description: 'Exactly this one, or with a dot at its end all of a group: "key."',
    }),
    actor: t.string({
      description: 'The id of a person or a key; or operator, cli or system.',
    }),
    oldestFirst: t.boolean({ defaultValue: false }),
  })
  const complexity = ({ first }: { first?: number | null }) => ({
    field: 5,
    multiplier: Math.ceil((first ?? QUERY_LIMITS.auditPageDefault) / 20),
  })
  builder.queryField('auditLog', (t) =>
    t.connection(
      {
        ...needs('audit.read'),
        type: entry,
        description: `Who changed what in a tenant, ${PAGE}`,
        complexity,
        args: { tenant: t.arg.id(), ...filters(t.arg) },
        async resolve(_, { tenant, ...args }, context, info) {
          const viewer = await context.tenant(tenant)
          return connectionOf(context, viewer, args, info)
        },
      },
      { name: 'AuditLogConnection' },
      { name: 'AuditLogEdge' },
    ),
  )
  builder.queryField('systemAuditLog', (t) =>
    t.connection(
      {
        ...needs('system.operate'),
        type: entry,
        description: `Who changed what of the system as a whole, ${PAGE}`,
        complexity,
        args: filters(t.arg),
        resolve: (_, args, context, info) => connectionOf(context, 'system', args, info),
      },
      { name: 'SystemAuditLogConnection' },
      { name: 'SystemAuditLogEdge' },
    ),
  )
}

async function connectionOf(
  context: RequestContext,
  scope: AuditScope,
  { last, before, ...args }: AuditLogArgs & { last?: unknown; before?: unknown },
  info: Pick<GraphQLResolveInfo, 'path'>,
) {
  if (last != null || before != null)
    throw badInput(last != null ? 'last' : 'before', 'is not supported; use first and after')
  const { rows, hasNextPage } = await context.run(auditLogPage, scope, args, info)
  const pageInfo = {
    hasNextPage,
    hasPreviousPage: args.after != null,
    startCursor: rows[0]?.cursor ?? null,
    endCursor: rows.at(-1)?.cursor ?? null,
  }
  return { edges: [...rows], pageInfo }
}

function addEntry(builder: Builder) {
  const actorKind = builder.enumType('AuditActorKind', {
    values: {
      PERSON: { value: 'person' },
      KEY: { value: 'key' },
      OPERATOR: { value: 'operator', description: 'By a login link.' },
      CLI: { value: 'cli' },
      SYSTEM: { value: 'system' },
    } as const,
  })
  return builder.objectRef<ListedAuditEntry>('AuditEntry').implement({
    description:
      'A change, a sign-in or a denial. docs/audit.md describes how to verify the chain.',
    fields: (t) => ({
      tenantId: t.exposeInt('tenantId', { description: '0: the system as a whole.' }),
      sequence: t.exposeFloat('sequence', { description: '1, 2, 3 … without gaps.' }),
      at: t.expose('at', { type: 'DateTime' }),
      actorKind: t.expose('actorKind', { type: actorKind }),
      actor: t.exposeString('actor', { description: 'The id of the person or the key.' }),
      actorName: t.exposeString('actorName', { nullable: true }),
      action: t.exposeString('action', { description: 'Such as key.created.' }),
      object: t.exposeString('object', { description: 'What was changed: "key 0193…".' }),
      before: t.field({
        type: 'JSON',
        nullable: true,
        description: 'What the change was about, as it was.',
        resolve: ({ before }, _, { budget }) => budget.json(before),
      }),
      after: t.field({
        type: 'JSON',
        nullable: true,
        resolve: ({ after }, _, { budget }) => budget.json(after),
      }),
      address: t.exposeString('address', { nullable: true }),
      requestId: t.exposeString('requestId', { nullable: true }),
      previousHash: t.exposeString('previousHash', {
        description: 'The hash of the entry before it; zeros for the first one.',
      }),
      hash: t.exposeString('hash', {
        description: 'SHA-256 of the canonical JSON (RFC 8785) of all other fields.',
      }),
    }),
  })
}
