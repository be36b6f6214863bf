import type { Invitation } from '../../../../identity/people/invitations.ts'
import type { Member } from '../../../../identity/people/members.ts'
import type { Builder } from '../../builder.ts'
import type { PeopleTypes } from '../viewer.ts'

export type MemberRef = ReturnType<typeof addMember>
export type InvitationRef = ReturnType<typeof addInvitation>

export function addMember(builder: Builder, { person, role }: PeopleTypes) {
  return builder.objectRef<Member>('Member').implement({
    fields: (t) => ({
      person: t.field({ type: person, resolve: (member) => member }),
      role: t.expose('role', { type: role }),
      version: t.exposeInt('version', {
        description: 'Moves with each change of the role; changeRole takes the one that was read.',
      }),
      joinedAt: t.expose('joinedAt', { type: 'DateTime' }),
    }),
  })
}

export function addInvitation(builder: Builder, { role }: PeopleTypes) {
  return builder.objectRef<Invitation>('Invitation').implement({
    fields: (t) => ({
      id: t.exposeID('invitationId'),
      email: t.exposeString('email', {
        description: 'Only somebody who has shown that it is theirs can accept.',
      }),
      role: t.expose('role', { type: role }),
      invitedBy: t.exposeString('invitedBy', {
        nullable: true,
        description: 'The name of who invited; null for the operator.',
      }),
      createdAt: t.expose('createdAt', { type: 'DateTime' }),
      expiresAt: t.expose('expiresAt', { type: 'DateTime' }),
    }),
  })
}
