import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { inTransaction } from '../../db/in-transaction.ts'
import { ApiError } from '../../lib/api-error.ts'
import { type AuditActor, recordAudit } from '../audit/audit-log.ts'
import { hashSecret } from '../hash-secret.ts'
import { isAtLeast, type Role } from '../roles.ts'
import { newToken } from '../sessions.ts'
import {
  actingRole,
  type ChangedBy,
  checkMayGrant,
  lockMembers,
  MEMBERS_MAX,
  personOf,
} from './members.ts'
import { EMAIL_CHARS_MAX, lowerAddress, type Person, readEmail } from './people.ts'

const INVITATION_DAYS = 7
const OPEN_INVITATIONS_MAX = 100

export interface Invitation {
  invitationId: string
  email: string
  role: Role
  /** Who invited; null: the operator. */
  invitedBy: string | null
  createdAt: string
  expiresAt: string
}

export interface NewInvitation {
  tenantId: number
  email: string
  role: Role
  by: ChangedBy
}

/**
 * Invites somebody by e-mail address; a new invitation of the same address takes the place of an open one.
 * @returns the invitation, and the token of its link, which is shown once
 * @throws BAD_USER_INPUT, FORBIDDEN for a role above one's own, here or of the open one, MEMBER_LIMIT_REACHED
 */
export function inviteMember(
  db: Database,
  { tenantId, email, role, by }: NewInvitation,
): Promise<{ invitation: Invitation; token: string }> {
  const address = readEmail(email)
  const token = newToken()
  return inTransaction(db, async (tx) => {
    const members = await lockMembers(tx, tenantId)
    const actor = actingRole(members, by)
    checkMayGrant(actor, role)
    const replaced = await replaceOpen(tx, { tenantId, email: address, actor })
    const open = await listInvitations(tx, tenantId)
    if (open.length >= OPEN_INVITATIONS_MAX || members.length >= MEMBERS_MAX)
      throw new ApiError('MEMBER_LIMIT_REACHED')
    const { invitation_id: id } = await tx
      .insertInto('invitation')
      .values({
        tenant_id: tenantId,
        token_sha256: hashSecret(token),
        email: address,
        role,
        invited_by: personOf(by) ?? null,
        expires_at: sql<string>`now() + make_interval(days => ${INVITATION_DAYS})`,
      })
      .returning('invitation_id')
      .executeTakeFirstOrThrow()
    const created = (await listInvitations(tx, tenantId)).find((each) => each.invitationId === id)
    for (const before of replaced) await recordRevoked(tx, by.actor, tenantId, before)
    await recordAudit(tx, by.actor, {
      tenantId,
      action: 'member.invited',
      object: `invitation ${id}`,
      after: { email: address, role },
    })
    return { invitation: created as Invitation, token }
  })
}

/** Revokes the open invitations of an address. @throws FORBIDDEN where one grants a role above the actor's */
async function replaceOpen(
  tx: Database,
  { tenantId, email, actor }: { tenantId: number; email: string; actor: Role },
): Promise<Revoked[]> {
  const { rows } = await sql<Revoked>`
    UPDATE invitation i SET revoked_at = now()
     WHERE tenant_id = ${tenantId} AND email = ${email} AND ${isOpen()}
    RETURNING invitation_id AS "invitationId", email, role`.execute(tx)
  for (const { role } of rows) checkMayGrant(actor, role)
  return rows
}

/** What an invited person opens; as in sign-in links, browsers send the token to nobody. */
export function invitationUrl(coreUrl: string, token: string): string {
  return `${coreUrl.replace(/\/+$/, '')}/invitation#token=${token}`
}

/** The open ones of a tenant, newest first. */
export async function listInvitations(db: Database, tenantId: number): Promise<Invitation[]> {
  const { rows } = await sql<Invitation>`
    SELECT i.invitation_id AS "invitationId", i.email, i.role, p.name AS "invitedBy", i.created_at AS "createdAt",
           i.expires_at AS "expiresAt"
      FROM invitation i LEFT JOIN person p ON p.person_id = i.invited_by
     WHERE i.tenant_id = ${tenantId} AND ${isOpen()}
     ORDER BY i.created_at DESC, i.invitation_id LIMIT ${OPEN_INVITATIONS_MAX}`.execute(db)
  return rows
}

/** SQL: whether the invitation `i` can still be accepted. */
function isOpen() {
  return sql<boolean>`i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now()`
}

/**
 * @param invitationId one of another tenant is as none
 * @throws INVITATION_NOT_FOUND, FORBIDDEN for a role above one's own
 */
export function revokeInvitation(
  db: Database,
  { tenantId, invitationId, by }: { tenantId: number; invitationId: string; by: ChangedBy },
): Promise<void> {
  return inTransaction(db, async (tx) => {
    const actor = actingRole(await lockMembers(tx, tenantId), by)
    const open = (await listInvitations(tx, tenantId)).find(
      (each) => each.invitationId === invitationId,
    )
    if (!open) throw new ApiError('INVITATION_NOT_FOUND')
    checkMayGrant(actor, open.role)
    await tx
      .updateTable('invitation')
      .set({ revoked_at: sql<string>`now()` })
      .where('invitation_id', '=', invitationId)
      .where('accepted_at', 'is', null)
      .execute()
    await recordRevoked(tx, by.actor, tenantId, open)
  })
}

type Revoked = Pick<Invitation, 'invitationId' | 'email' | 'role'>

async function recordRevoked(
  tx: Database,
  by: AuditActor,
  tenantId: number,
  { invitationId, email, role }: Revoked,
): Promise<void> {
  await recordAudit(tx, by, {
    ...{ tenantId, action: 'invitation.revoked', object: `invitation ${invitationId}` },
    before: { email, role },
  })
}

/** What its link shows before somebody accepts; undefined unless it can be accepted. */
export async function previewInvitation(
  db: Database,
  token: string,
): Promise<(Invitation & { tenant: string }) | undefined> {
  const { rows } = await sql<Invitation & { tenant: string }>`
    SELECT i.invitation_id AS "invitationId", i.email, i.role, p.name AS "invitedBy", i.created_at AS "createdAt",
           i.expires_at AS "expiresAt", t.slug AS tenant
      FROM invitation i JOIN tenant t USING (tenant_id) LEFT JOIN person p ON p.person_id = i.invited_by
     WHERE i.token_sha256 = ${hashSecret(token)} AND ${isOpen()}`.execute(db)
  return rows[0]
}

export interface Acceptance {
  /** Of the invitation's link. */
  token: string
  person: Pick<Person, 'personId' | 'name'>
  /** As the provider verified it, or for a passkey that of the invitation itself. */
  verifiedEmail: string | undefined
  /** Where the request came from, for the audit log. */
  from?: Pick<AuditActor, 'address' | 'requestId'>
}

/**
 * Makes the person a member, once for each invitation. Somebody who is a member already keeps a higher role.
 * @throws INVITATION_NOT_FOUND, INVITATION_FOR_ANOTHER, which uses nothing up, MEMBER_LIMIT_REACHED
 */
export function acceptInvitation(
  db: Database,
  { token, person: { personId, name }, verifiedEmail, from = {} }: Acceptance,
): Promise<{ tenant: string; role: Role }> {
  return inTransaction(db, async (tx) => {
    const { id, tenantId, slug, ...invitation } = await findOpen(tx, token)
    if (verifiedEmail === undefined || !isSameAddress(verifiedEmail, invitation.email))
      throw new ApiError('INVITATION_FOR_ANOTHER')
    // In the order of all changes: members first, so that who loses a role takes open invitations along.
    const members = await lockMembers(tx, tenantId)
    const accepted = await sql`
      UPDATE invitation i SET accepted_at = now(), accepted_by = ${personId}
       WHERE invitation_id = ${id} AND ${isOpen()} RETURNING 1`.execute(tx)
    if (accepted.rows.length === 0) throw new ApiError('INVITATION_NOT_FOUND')
    const current = members.find((each) => each.personId === personId)
    if (!current && members.length >= MEMBERS_MAX) throw new ApiError('MEMBER_LIMIT_REACHED')
    const role =
      current && isAtLeast(current.role, invitation.role) ? current.role : invitation.role
    if (role !== current?.role) await setRole(tx, tenantId, personId, role)
    await recordAudit(
      tx,
      { kind: 'person', personId, name, ...from },
      {
        tenantId,
        action: 'member.joined',
        object: `person ${personId}`,
        ...(current && { before: { role: current.role } }),
        after: { role, invitation: id },
      },
    )
    return { tenant: slug, role }
  })
}

async function findOpen(tx: Database, token: string) {
  const { rows } = await sql<{
    id: string
    tenantId: number
    email: string
    role: Role
    slug: string
  }>`
    SELECT i.invitation_id AS id, i.tenant_id AS "tenantId", i.email, i.role, t.slug
      FROM invitation i JOIN tenant t USING (tenant_id)
     WHERE i.token_sha256 = ${hashSecret(token)} AND ${isOpen()}`.execute(tx)
  if (!rows[0]) throw new ApiError('INVITATION_NOT_FOUND')
  return rows[0]
}

async function setRole(tx: Database, tenantId: number, personId: number, role: Role) {
  await tx
    .insertInto('membership')
    .values({ tenant_id: tenantId, person_id: personId, role })
    .onConflict((conflict) =>
      conflict
        .columns(['tenant_id', 'person_id'])
        .doUpdateSet({ role, version: sql`membership.version + 1` }),
    )
    .execute()
}

function isSameAddress(verified: string, invited: string): boolean {
  return verified.length <= EMAIL_CHARS_MAX && lowerAddress(verified) === invited
}
