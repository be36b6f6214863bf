import { ENRICHMENT_NAMES } from '../../../../contract/enrichment.ts'
import { mayDo, permissionsIn } from '../../../identity/require-permission.ts'
import { ROLES, type Role } from '../../../identity/roles.ts'
import { isOperator, type TenantViewer, type Viewer } from '../../../identity/viewer.ts'
import { QUERY_LIMITS } from '../../../queries/limits.ts'
import { type VisibleTenant, visibleTenants } from '../../../queries/visible-tenants.ts'
import type { Builder } from '../builder.ts'
import type { Onboarding, RequestContext } from '../context.ts'
import { needs } from '../permissions.ts'

export interface PersonNode {
  personId: number
  name: string
  email: string | null
}

interface MembershipNode {
  tenant: TenantViewer
  role: Role
}

/** The types of people that others use too. */
export interface PeopleTypes {
  role: ReturnType<typeof addRole>
  person: ReturnType<typeof addPerson>
  tenant: ReturnType<typeof addTenant>
}

export function addViewer(builder: Builder): PeopleTypes {
  const types = {
    role: addRole(builder),
    person: addPerson(builder),
    tenant: addTenant(builder),
  }
  const kind = builder.enumType('ViewerKind', {
    description: 'SESSION: the operator, by a login link. PERSON: somebody who signed in.',
    values: ['SESSION', 'KEY', 'PERSON'] as const,
  })
  const membership = addMembership(builder, types)
  const onboarding = builder.objectRef<Onboarding>('Onboarding').implement({
    fields: (t) => ({
      edgeUrl: t.exposeString('edgeUrl'),
      tenant: t.exposeString('tenant'),
      writeKey: t.exposeString('writeKey'),
    }),
  })

  const viewer = builder.objectRef<Viewer>('Viewer').implement({
    fields: (t) => ({
      kind: t.expose('kind', { type: kind }),
      person: t.field({
        type: types.person,
        nullable: true,
        description: 'Who is signed in; null for API keys, and for the operator by a login link.',
        resolve: (viewer) => (viewer.kind === 'PERSON' ? viewer : null),
      }),
      isOperator: t.boolean({
        description: 'Whether everything is allowed in all tenants.',
        resolve: (viewer) => isOperator(viewer),
      }),
      signedInAt: t.field({
        type: 'DateTime',
        nullable: true,
        description:
          'When the sender last showed who they are. Some changes take a sign-in of the last 15 minutes.',
        resolve: (viewer) =>
          viewer.kind === 'KEY' ? null : (viewer.session?.authenticatedAt ?? null),
      }),
      memberships: t.field({
        type: [membership],
        description: 'The tenants that a person is a member of, in the order of joining.',
        resolve: (viewer, _, context) => membershipsOf(viewer, context),
      }),
      permissions: t.stringList({
        description:
          'What the sender may do in a tenant, or where none is named in the one that other fields take then.',
        args: { tenant: t.arg.id() },
        resolve: async (viewer, { tenant }, context) =>
          permissionsIn(viewer, await context.tenant(tenant)),
      }),
      tenants: t.field({
        type: [types.tenant],
        description: `At most ${QUERY_LIMITS.tenantsListedMax}, in the order of their creation; of a search the best match first.`,
        args: {
          search: t.arg.string({ description: 'Part of the id, in any case.' }),
          first: t.arg.int(),
          after: t.arg.id({ description: 'The id of the last one of the page before.' }),
        },
        async resolve(viewer, args, context, info) {
          return [...(await context.run(visibleTenants, viewer, args, info)).rows]
        },
      }),
      edgeUrl: t.string({
        nullable: true,
        description: 'Where events are sent; null where core does not know it.',
        resolve: (_, __, { edgeUrl, onboarding }) => edgeUrl?.() ?? onboarding?.()?.edgeUrl,
      }),
      onboarding: t.field({
        type: onboarding,
        nullable: true,
        description:
          'What a person needs to send a first event; null for API keys, and for who may not manage those of its tenant.',
        resolve: (viewer, _, context) => onboardingOf(viewer, context),
      }),
    }),
  })

  builder.queryField('viewer', (t) =>
    t.field({
      ...needs('who-am-i'),
      type: viewer,
      description: 'The sender of the request, and the tenants that it may query.',
      resolve: (_, __, { viewer }) => viewer,
    }),
  )
  return types
}

function addRole(builder: Builder) {
  return builder.enumType('Role', {
    description: 'What a person may be in a tenant, each with all that the one before may do.',
    values: ROLES,
  })
}

function addPerson(builder: Builder) {
  return builder.objectRef<PersonNode>('Person').implement({
    fields: (t) => ({
      id: t.id({ resolve: ({ personId }) => String(personId) }),
      name: t.exposeString('name'),
      email: t.exposeString('email', { nullable: true }),
    }),
  })
}

function addTenant(builder: Builder) {
  return builder.objectRef<VisibleTenant>('Tenant').implement({
    fields: (t) => ({
      id: t.exposeID('id'),
      hasEvents: t.exposeBoolean('hasEvents', {
        description: 'Whether any event was ever stored.',
      }),
      enrichments: t.exposeStringList('enrichments', {
        description: `What is derived from its events: ${ENRICHMENT_NAMES.join(', ')}.`,
      }),
    }),
  })
}

function addMembership(builder: Builder, { role }: Pick<PeopleTypes, 'role'>) {
  return builder.objectRef<MembershipNode>('Membership').implement({
    fields: (t) => ({
      tenant: t.id({ resolve: ({ tenant }) => tenant.tenant }),
      role: t.expose('role', { type: role }),
      permissions: t.stringList({
        description: 'What the role allows (docs/identity.md).',
        resolve: ({ tenant }, _, { viewer }) => permissionsIn(viewer, tenant),
      }),
    }),
  })
}

async function membershipsOf(
  viewer: Viewer,
  { tenant }: Pick<RequestContext, 'tenant'>,
): Promise<MembershipNode[]> {
  if (viewer.kind !== 'PERSON') return []
  return Promise.all(
    [...viewer.memberships].map(async ([slug, { role }]) => ({ tenant: await tenant(slug), role })),
  )
}

/** It leads to a write key. */
async function onboardingOf(
  viewer: Viewer,
  { onboarding, tenant }: RequestContext,
): Promise<Onboarding | undefined> {
  if (viewer.kind === 'KEY') return undefined
  const found = onboarding?.()
  if (!found || isOperator(viewer)) return found
  if (!viewer.memberships.has(found.tenant)) return undefined
  return mayDo(viewer, await tenant(found.tenant), 'keys.manage') ? found : undefined
}
