import type { Generated, GeneratedAlways } from 'kysely'
import type { Time, TimeWithDefault } from './column-types.ts'

/** The tables of people, their roles and sessions, as those of schema.ts. */
export interface PeopleTables {
  person: PersonTable
  membership: MembershipTable
  invitation: InvitationTable
  session: SessionTable
}

export interface PersonTable {
  person_id: GeneratedAlways<number>
  issuer: string
  subject: string
  email: string | null
  name: string
  is_operator: Generated<boolean>
  created_at: TimeWithDefault
}

export interface MembershipTable {
  tenant_id: number
  person_id: number
  role: 'VIEWER' | 'EDITOR' | 'ADMIN' | 'OWNER'
  version: Generated<number>
  joined_at: TimeWithDefault
}

export interface InvitationTable {
  invitation_id: Generated<string>
  tenant_id: number
  token_sha256: Buffer
  email: string
  role: 'VIEWER' | 'EDITOR' | 'ADMIN' | 'OWNER'
  invited_by: number | null
  created_at: TimeWithDefault
  expires_at: Time
  accepted_at: Time | null
  accepted_by: number | null
  revoked_at: Time | null
}

export interface SessionTable {
  token_sha256: Buffer
  created_at: TimeWithDefault
  expires_at: Time
  session_id: Generated<string>
  person_id: number | null
  method: Generated<'link' | 'oidc' | 'passkey'>
  device: string | null
  address: string | null
  last_used_at: TimeWithDefault
  authenticated_at: TimeWithDefault
  provider_session: string | null
}
