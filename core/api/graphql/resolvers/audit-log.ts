import { ApiError, badInput } from '../../../lib/api-error.ts'
import {
  type AuditScope,
  auditHead,
  auditLogPage,
  type ListedAuditEntry,
} from '../../../queries/audit-log.ts'
import { QUERY_LIMITS } from '../../../queries/limits.ts'
import type { Builder } from '../builder.ts'
import type { RequestContext } from '../context.ts'
import { checkMay } from './api-keys.ts'

const SYSTEM_ARGUMENT = 'Instead of a tenant the system as a whole; for the operator.'

export function addAuditLog(builder: Builder): void {
  const entry = addEntry(builder)
  const head = builder.objectRef<{ sequence: number; hash: string }>('AuditHead').implement({
    description:
      'The newest entry of a chain: kept elsewhere, it shows later that nothing before it was changed or removed.',
    fields: (t) => ({
      sequence: t.exposeFloat('sequence'),
      hash: t.exposeString('hash'),
    }),
  })
  builder.queryField('auditHead', (t) =>
    t.field({
      type: head,
      nullable: true,
      description: 'The newest entry of the audit log; null while there is none.',
      args: { tenant: t.arg.id(), system: t.arg.boolean({ description: SYSTEM_ARGUMENT }) },
      async resolve(_, { tenant, system }, context, info) {
        const scope = await scopeOf(context, tenant, system)
        return (await context.run(auditHead, scope, {}, info)).rows[0]
      },
    }),
  )
  builder.queryField('auditLog', (t) =>
    t.connection(
      {
        type: entry,
        description: `Who changed what, newest first; at most ${QUERY_LIMITS.auditPageMax} on a page.`,
        complexity: ({ first }) => ({
          field: 5,
          multiplier: Math.ceil((first ?? QUERY_LIMITS.auditPageDefault) / 10),
        }),
        args: {
          tenant: t.arg.id(),
          system: t.arg.boolean({ description: SYSTEM_ARGUMENT }),
          action: t.arg.string({
            description: 'Exactly this one, or with a dot at its end all of a group: "key."',
          }),
          actor: t.arg.string({
            description: 'The id of a person or a key; or operator, cli or system.',
          }),
          oldestFirst: t.arg.boolean({ defaultValue: false }),
        },
        async resolve(_, { tenant, system, last, before, ...args }, context, info) {
          const scope = await scopeOf(context, tenant, system)
          if (last != null || before != null)
            throw badInput(
              last != null ? 'last' : 'before',
              'is not supported; use first and after',
            )
          const { rows, hasNextPage } = await context.run(auditLogPage, scope, args, info)
          const pageInfo = {
            hasNextPage,
            hasPreviousPage: args.after != null,
            startCursor: rows[0]?.cursor ?? null,
            endCursor: rows.at(-1)?.cursor ?? null,
          }
          return { edges: [...rows], pageInfo }
        },
      },
      { name: 'AuditLogConnection' },
      { name: 'AuditLogEdge' },
    ),
  )
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

async function scopeOf(
  context: RequestContext,
  tenant: string | null | undefined,
  system: boolean | null | undefined,
): Promise<AuditScope> {
  if (!system) {
    const viewer = await context.tenant(tenant)
    checkMay(context, 'audit.read')
    return viewer
  }
  if (tenant != null) throw badInput('system', 'cannot be combined with tenant')
  if (context.viewer.kind !== 'SESSION') throw new ApiError('FORBIDDEN')
  return 'system'
}
