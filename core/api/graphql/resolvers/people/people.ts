import { listInvitations } from '../../../../identity/people/invitations.ts'
import { listMembers } from '../../../../identity/people/members.ts'
import { type ListedSession, listSessions } from '../../../../identity/sessions.ts'
import type { Builder } from '../../builder.ts'
import { needs } from '../../permissions.ts'
import type { PeopleTypes } from '../viewer.ts'
import { addMemberMutations } from './member-mutations.ts'
import { addInvitation, addMember } from './member-types.ts'
import { type BeginPeopleChange, createPeopleChanges } from './people-changes.ts'
import { addSessionMutations, ownerOf } from './session-mutations.ts'

/** A few of these fields fit into one operation: aliases read the same rows once more. */
const FIELD_COST = 500

/** The members of tenants, who is invited, and one's own sessions. */
export function addPeople(builder: Builder, types: PeopleTypes): void {
  const member = addMember(builder, types)
  const invitation = addInvitation(builder, types)
  const begin = createPeopleChanges()
  addSessions(builder, begin)
  builder.queryField('members', (t) =>
    t.field({
      ...needs('members.read'),
      type: [member],
      description: 'By role, the owners first, then in the order of joining.',
      complexity: { field: FIELD_COST, multiplier: 50 },
      args: { tenant: t.arg.id() },
      resolve: async (_, { tenant }, context) =>
        listMembers(context.peopleDb, (await context.tenant(tenant)).tenantId),
    }),
  )
  builder.queryField('invitations', (t) =>
    t.field({
      ...needs('members.manage'),
      type: [invitation],
      description: 'Those that can still be accepted, newest first.',
      complexity: { field: FIELD_COST, multiplier: 20 },
      args: { tenant: t.arg.id() },
      resolve: async (_, { tenant }, context) =>
        listInvitations(context.peopleDb, (await context.tenant(tenant)).tenantId),
    }),
  )
  addMemberMutations(builder, { ...types, member, invitation }, begin)
}

function addSessions(builder: Builder, begin: BeginPeopleChange): void {
  const method = builder.enumType('SignInMethod', {
    values: {
      LINK: { value: 'link' },
      OIDC: { value: 'oidc' },
      PASSKEY: { value: 'passkey' },
    } as const,
  })
  const session = builder.objectRef<ListedSession>('Session').implement({
    description: 'A browser that is signed in.',
    fields: (t) => ({
      id: t.exposeID('sessionId'),
      method: t.expose('method', { type: method }),
      device: t.exposeString('device', { nullable: true }),
      address: t.exposeString('address', { nullable: true }),
      signedInAt: t.expose('createdAt', { type: 'DateTime' }),
      lastUsedAt: t.expose('lastUsedAt', {
        type: 'DateTime',
        description: 'To the minute.',
      }),
      expiresAt: t.expose('expiresAt', {
        type: 'DateTime',
        description: 'When it ends, unless it is used before.',
      }),
      isCurrent: t.boolean({
        description: 'Whether it is that of this request.',
        resolve: ({ sessionId }, _, { viewer }) =>
          viewer.kind !== 'KEY' && viewer.session?.sessionId === sessionId,
      }),
    }),
  })
  builder.queryField('sessions', (t) =>
    t.field({
      ...needs('own-sessions'),
      type: [session],
      description: "The sender's own, newest first.",
      complexity: { field: FIELD_COST, multiplier: 20 },
      resolve: (_, __, { viewer, peopleDb }) => listSessions(peopleDb, ownerOf(viewer)),
    }),
  )
  addSessionMutations(builder, begin)
}
