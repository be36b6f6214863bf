import type { ResultOf } from 'gql.tada'
import { execute, mutate, type Result } from '../../../lib/api/client.ts'
import type { Role } from '../../../lib/api/documents.ts'
import { graphql } from '../../../lib/api/graphql.ts'

const MEMBER = graphql(`
  fragment SettingsMember on Member { version role joinedAt person { id name email } }
`)
export type Member = ResultOf<typeof MEMBER>

const INVITATION = graphql(`
  fragment SettingsInvitation on Invitation { id email role invitedBy createdAt expiresAt }
`)
export type Invitation = ResultOf<typeof INVITATION>

const MEMBERS = graphql(
  `
    query SettingsMembers($tenant: ID) { members(tenant: $tenant) { ...SettingsMember } }
  `,
  [MEMBER],
)

const INVITATIONS = graphql(
  `
    query SettingsInvitations($tenant: ID) { invitations(tenant: $tenant) { ...SettingsInvitation } }
  `,
  [INVITATION],
)

const INVITE = graphql(
  `
    mutation InviteMember($tenant: ID, $email: String!, $role: Role!) {
      inviteMember(tenant: $tenant, email: $email, role: $role) {
        url invitation { ...SettingsInvitation }
      }
    }
  `,
  [INVITATION],
)

const REVOKE = graphql(`
  mutation RevokeInvitation($tenant: ID, $id: ID!) { revokeInvitation(tenant: $tenant, id: $id) }
`)

const CHANGE_ROLE = graphql(
  `
    mutation ChangeRole($tenant: ID, $person: ID!, $role: Role!, $version: Int!) {
      changeRole(tenant: $tenant, person: $person, role: $role, version: $version) {
        ...SettingsMember
      }
    }
  `,
  [MEMBER],
)

const REMOVE = graphql(`
  mutation RemoveMember($tenant: ID, $person: ID!) { removeMember(tenant: $tenant, person: $person) }
`)

const LEAVE = graphql(`
  mutation LeaveTenant($tenant: ID!) { leaveTenant(tenant: $tenant) }
`)

export async function fetchMembers(variables: { tenant: string }): Promise<Result<Member[]>> {
  const result = await execute(MEMBERS, variables)
  return result.ok ? { ok: true, data: result.data.members } : result
}

export async function fetchInvitations(variables: {
  tenant: string
}): Promise<Result<Invitation[]>> {
  const result = await execute(INVITATIONS, variables)
  return result.ok ? { ok: true, data: result.data.invitations } : result
}

export async function inviteMember(variables: {
  tenant: string
  email: string
  role: Role
}): Promise<Result<{ url: string; invitation: Invitation }>> {
  const result = await mutate(INVITE, variables)
  return result.ok ? { ok: true, data: result.data.inviteMember } : result
}

export const revokeInvitation = (variables: { tenant: string; id: string }) =>
  mutate(REVOKE, variables)
export const changeRole = (variables: {
  tenant: string
  person: string
  role: Role
  version: number
}) => mutate(CHANGE_ROLE, variables)
export const removeMember = (variables: { tenant: string; person: string }) =>
  mutate(REMOVE, variables)
export const leaveTenant = (variables: { tenant: string }) => mutate(LEAVE, variables)
