import { z } from '@hono/zod-openapi'
import type { ZodType } from 'zod'

export const role = z.enum(['viewer', 'editor', 'admin', 'owner'])
export const time = z.string().openapi({ format: 'date-time' })
const version = z.number().int().openapi({ description: 'Moves with each change of the role.' })

export const member = z
  .object({
    id: z.string(),
    name: z.string(),
    email: z.string().nullable(),
    role,
    version,
    joined_at: time,
  })
  .openapi('Member')

export const invitation = z
  .object({
    id: z.string(),
    email: z.string(),
    role,
    invited_by: z.string().nullable().openapi({ description: 'Null: the operator.' }),
    created_at: time,
    expires_at: time,
  })
  .openapi('Invitation')

export const session = z
  .object({
    id: z.string(),
    method: z.enum(['link', 'oidc', 'passkey']),
    device: z.string().nullable(),
    address: z.string().nullable(),
    signed_in_at: time,
    last_used_at: time,
    expires_at: time,
    is_current: z.boolean(),
  })
  .openapi('Session')

export const newTenantBody = z.strictObject({ id: z.string() })
export const newInvitationBody = z.strictObject({ email: z.string(), role })
export const roleBody = z.strictObject({
  role,
  version: version.optional().openapi({
    description: 'The version that was read, unless If-Match names it.',
  }),
})

export const json = (schema: ZodType, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

export const bodyOf = (schema: ZodType) => ({
  required: true,
  content: { 'application/json': { schema } },
})

export const MEMBER_FIELDS = 'person { id name email } role version joinedAt'
export const INVITATION_FIELDS = 'id email role invitedBy createdAt expiresAt'
export const SESSION_FIELDS = 'id method device address signedInAt lastUsedAt expiresAt isCurrent'

export interface MemberNode {
  person: { id: string; name: string; email: string | null }
  role: string
  version: number
  joinedAt: string
}

export interface InvitationNode {
  id: string
  email: string
  role: string
  invitedBy: string | null
  createdAt: string
  expiresAt: string
}

export interface SessionNode {
  id: string
  method: string
  device: string | null
  address: string | null
  signedInAt: string
  lastUsedAt: string
  expiresAt: string
  isCurrent: boolean
}

export function toRestMember({ person, role, version, joinedAt }: MemberNode) {
  return { ...person, role: role.toLowerCase(), version, joined_at: joinedAt }
}

export function toRestInvitation(node: InvitationNode) {
  return {
    id: node.id,
    email: node.email,
    role: node.role.toLowerCase(),
    invited_by: node.invitedBy,
    created_at: node.createdAt,
    expires_at: node.expiresAt,
  }
}

export function toRestSession(node: SessionNode) {
  return {
    id: node.id,
    method: node.method.toLowerCase(),
    device: node.device,
    address: node.address,
    signed_in_at: node.signedInAt,
    last_used_at: node.lastUsedAt,
    expires_at: node.expiresAt,
    is_current: node.isCurrent,
  }
}
