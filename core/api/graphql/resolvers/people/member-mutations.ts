import { createTenantFor } from '../../../../identity/people/create-tenant.ts'
import {
  type Invitation,
  invitationUrl,
  inviteMember,
  revokeInvitation,
} from '../../../../identity/people/invitations.ts'
import { changeRole, removeMember } from '../../../../identity/people/members.ts'
import { ApiError } from '../../../../lib/api-error.ts'
import type { Builder } from '../../builder.ts'
import type { RequestContext } from '../../context.ts'
import { needs } from '../../permissions.ts'
import { checkUuid } from '../check-uuid.ts'
import type { PeopleTypes } from '../viewer.ts'
import type { InvitationRef, MemberRef } from './member-types.ts'
import type { BeginPeopleChange } from './people-changes.ts'

interface MutationTypes extends PeopleTypes {
  member: MemberRef
  invitation: InvitationRef
}

export function addMemberMutations(
  builder: Builder,
  types: MutationTypes,
  begin: BeginPeopleChange,
): void {
  addTenantMutation(builder, types, begin)
  addInvitationMutations(builder, types, begin)
  addRoleMutations(builder, types, begin)
}

function addTenantMutation(
  builder: Builder,
  { tenant }: MutationTypes,
  begin: BeginPeopleChange,
): void {
  builder.mutationField('createTenant', (t) =>
    t.field({
      ...needs('tenants.create', { recentSignIn: true }),
      type: tenant,
      description:
        'Creates a tenant; a person who does so owns it. 1 to 63 lower-case letters, digits and dashes, not beginning with a dash.',
      args: { id: t.arg.id({ required: true }) },
      async resolve(_, { id }, context) {
        await createTenantFor(context.peopleDb, { tenant: id, by: begin(context) })
        return { id, hasEvents: false, enrichments: [] }
      },
    }),
  )
}

function addInvitationMutations(
  builder: Builder,
  { invitation, role }: MutationTypes,
  begin: BeginPeopleChange,
): void {
  const created = builder
    .objectRef<{ invitation: Invitation; url: string }>('InvitationCreated')
    .implement({
      fields: (t) => ({
        invitation: t.expose('invitation', { type: invitation }),
        url: t.exposeString('url', {
          description: 'What to send to the invited person. It is shown this once.',
        }),
      }),
    })
  builder.mutationField('inviteMember', (t) =>
    t.field({
      ...needs('members.manage', { recentSignIn: true }),
      type: created,
      description:
        'Invites somebody for seven days, with a role that is not above the own one. An open invitation of the same address ends.',
      args: {
        tenant: t.arg.id(),
        email: t.arg.string({ required: true }),
        role: t.arg({ type: role, required: true }),
      },
      async resolve(_, { tenant, email, role }, context) {
        const { tenantId } = await context.tenant(tenant)
        const by = begin(context, tenantId)
        // Before: an invitation whose link nobody learns helps nobody.
        const url = baseUrl(context)
        const { token, invitation } = await inviteMember(context.peopleDb, {
          tenantId,
          email,
          role,
          by,
        })
        return { invitation, url: invitationUrl(url, token) }
      },
    }),
  )
  builder.mutationField('revokeInvitation', (t) =>
    t.boolean({
      ...needs('members.manage'),
      description: 'Its link opens nothing any more.',
      args: { tenant: t.arg.id(), id: t.arg.id({ required: true }) },
      async resolve(_, { tenant, id }, context) {
        const { tenantId } = await context.tenant(tenant)
        const invitationId = checkUuid(id, 'INVITATION_NOT_FOUND')
        await revokeInvitation(context.peopleDb, {
          tenantId,
          invitationId,
          by: begin(context, tenantId),
        })
        return true
      },
    }),
  )
}

function addRoleMutations(
  builder: Builder,
  { member, role }: MutationTypes,
  begin: BeginPeopleChange,
): void {
  builder.mutationField('changeRole', (t) =>
    t.field({
      ...needs('members.manage', { recentSignIn: true }),
      type: member,
      description:
        'Changes the role of a member, up to the own role; VERSION_CONFLICT where it was changed since the version that was read. It holds everywhere within 30 s.',
      args: {
        tenant: t.arg.id(),
        person: t.arg.id({ required: true }),
        role: t.arg({ type: role, required: true }),
        version: t.arg.int({ required: true }),
      },
      async resolve(_, { tenant, person, role, version }, context) {
        const { tenantId } = await context.tenant(tenant)
        const by = begin(context, tenantId)
        const personId = readPersonId(person)
        return changeRole(context.peopleDb, { tenantId, personId, role, version, by })
      },
    }),
  )
  builder.mutationField('removeMember', (t) =>
    t.boolean({
      ...needs('members.manage', { recentSignIn: true }),
      description: 'Removes a member; it holds everywhere within 30 s.',
      args: { tenant: t.arg.id(), person: t.arg.id({ required: true }) },
      async resolve(_, { tenant, person }, context) {
        const { tenantId } = await context.tenant(tenant)
        const by = begin(context, tenantId)
        await removeMember(context.peopleDb, { tenantId, personId: readPersonId(person), by })
        return true
      },
    }),
  )
  builder.mutationField('leaveTenant', (t) =>
    t.boolean({
      ...needs('members.read'),
      description: 'Ends the own membership.',
      args: { tenant: t.arg.id({ required: true }) },
      async resolve(_, { tenant }, context) {
        const { viewer, peopleDb } = context
        const { tenantId } = await context.tenant(tenant)
        if (viewer.kind !== 'PERSON') throw new ApiError('MEMBER_NOT_FOUND')
        const { personId } = viewer
        await removeMember(peopleDb, { tenantId, personId, by: begin(context, tenantId) })
        return true
      },
    }),
  )
}

function baseUrl({ publicUrl, sender }: RequestContext): string {
  const url = publicUrl ?? sender.origin
  if (url === undefined) throw new ApiError('PUBLIC_URL_MISSING')
  return url
}

function readPersonId(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new ApiError('MEMBER_NOT_FOUND')
  return Number(text)
}
