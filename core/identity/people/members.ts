import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import { inTransaction } from '../../db/in-transaction.ts'
import { ApiError } from '../../lib/api-error.ts'
import { type AuditActor, recordAudit } from '../audit/audit-log.ts'
import { isAtLeast, ROLES, type Role, roleAllows } from '../roles.ts'

export interface Member {
  personId: number
  name: string
  email: string | null
  role: Role
  /** Moves with each change of the role. */
  version: number
  joinedAt: string
}

/** Who changes something. */
export interface ChangedBy {
  /** For the audit log; a person's role in the tenant decides what they may do. */
  actor: AuditActor
  /** Whether no role is needed: the operator's. */
  isOperator: boolean
}

export const MEMBERS_MAX = 1_000

/** By role, the owners first, then in the order of joining. */
export async function listMembers(db: Database, tenantId: number): Promise<Member[]> {
  const { rows } = await sql<Member>`
    SELECT m.person_id AS "personId", p.name, p.email, m.role, m.version, m.joined_at AS "joinedAt"
      FROM membership m JOIN person p USING (person_id) WHERE m.tenant_id = ${tenantId}
     ORDER BY array_position(ARRAY['OWNER', 'ADMIN', 'EDITOR', 'VIEWER'], m.role), m.joined_at, m.person_id
     LIMIT ${MEMBERS_MAX}`.execute(db)
  return rows
}

export interface RoleChange {
  tenantId: number
  personId: number
  role: Role
  /** The one that was read; undefined: whatever it is. */
  version?: number | undefined
  by: ChangedBy
}

/**
 * Nobody grants more than they have, or changes somebody who has more; one owner stays.
 * @throws MEMBER_NOT_FOUND, FORBIDDEN, LAST_OWNER, VERSION_CONFLICT
 */
export function changeRole(db: Database, change: RoleChange): Promise<Member> {
  const { tenantId, personId, role, version, by } = change
  return inTransaction(db, async (tx) => {
    const members = await lockMembers(tx, tenantId)
    const actor = actingRole(members, by)
    const member = find(members, personId)
    checkMayGrant(actor, member.role)
    checkMayGrant(actor, role)
    if (version !== undefined && version !== member.version)
      throw new ApiError('VERSION_CONFLICT', undefined, { version: member.version })
    if (role !== 'OWNER') checkOwnerStays(members, member)
    if (role !== member.role) {
      await tx
        .updateTable('membership')
        .set({ role, version: member.version + 1 })
        .where('tenant_id', '=', tenantId)
        .where('person_id', '=', personId)
        .execute()
      await revokeInvitationsBeyond(tx, [personId], tenantId)
      await recordAudit(tx, by.actor, {
        tenantId,
        action: 'member.role-changed',
        object: `person ${personId}`,
        before: { role: member.role },
        after: { role },
      })
    }
    return find(await listMembers(tx, tenantId), personId)
  })
}

export interface Removal {
  tenantId: number
  personId: number
  by: ChangedBy
}

/**
 * Removes a member; everybody may remove themselves. One owner stays.
 * @throws MEMBER_NOT_FOUND, FORBIDDEN, LAST_OWNER
 */
export function removeMember(db: Database, { tenantId, personId, by }: Removal): Promise<void> {
  return inTransaction(db, async (tx) => {
    const members = await lockMembers(tx, tenantId)
    const isLeaving = personOf(by) === personId
    const actor = isLeaving ? undefined : actingRole(members, by)
    const member = find(members, personId)
    if (actor) checkMayGrant(actor, member.role)
    checkOwnerStays(members, member)
    await tx
      .deleteFrom('membership')
      .where('tenant_id', '=', tenantId)
      .where('person_id', '=', personId)
      .execute()
    await revokeInvitationsBeyond(tx, [personId], tenantId)
    await recordAudit(tx, by.actor, {
      tenantId,
      action: 'member.removed',
      object: `person ${personId}`,
      before: { role: member.role },
    })
  })
}

/**
 * The members as they are once earlier changes have committed, until the transaction ends: of two owners who demote each
 * other at once, the second is refused.
 */
export async function lockMembers(tx: Database, tenantId: number): Promise<LockedMember[]> {
  const { rows } = await sql<LockedMember>`
    SELECT person_id AS "personId", role, version FROM membership
     WHERE tenant_id = ${tenantId} ORDER BY person_id FOR UPDATE`.execute(tx)
  return rows
}

type LockedMember = Pick<Member, 'personId' | 'role' | 'version'>

/**
 * The role of who changes something, read under the lock: a role that was taken away a moment ago grants nothing.
 * @throws FORBIDDEN for somebody who may not manage members
 */
export function actingRole(members: readonly LockedMember[], by: ChangedBy): Role {
  if (by.isOperator) return 'OWNER'
  const role = members.find(({ personId }) => personId === personOf(by))?.role
  if (role === undefined || !roleAllows(role, 'members.manage')) throw new ApiError('FORBIDDEN')
  return role
}

/** undefined: nobody who could be a member. */
export function personOf({ actor }: ChangedBy): number | undefined {
  return actor.kind === 'person' ? actor.personId : undefined
}

/** @throws FORBIDDEN */
export function checkMayGrant(actor: Role, role: Role): void {
  if (!isAtLeast(actor, role))
    throw new ApiError('FORBIDDEN', 'Nobody can give or take away a role above their own.')
}

function find<M extends { personId: number }>(members: readonly M[], personId: number): M {
  const member = members.find((each) => each.personId === personId)
  if (!member) throw new ApiError('MEMBER_NOT_FOUND')
  return member
}

function checkOwnerStays(members: readonly LockedMember[], leaving: LockedMember): void {
  const others = members.some(
    ({ personId, role }) => role === 'OWNER' && personId !== leaving.personId,
  )
  if (leaving.role === 'OWNER' && !others) throw new ApiError('LAST_OWNER')
}

/**
 * What people may not grant any more, their open invitations do not grant either. Called after a change, of a role or of
 * an operator's rights.
 * @param tenantId all tenants unless given
 */
export async function revokeInvitationsBeyond(
  tx: Database,
  personIds: readonly number[],
  tenantId?: number,
): Promise<void> {
  const grants = ROLES.filter((held) => roleAllows(held, 'members.manage')).flatMap((held) =>
    ROLES.filter((role) => isAtLeast(held, role)).map((role) => ({ held, role })),
  )
  await sql`
    UPDATE invitation i SET revoked_at = now()
     WHERE i.invited_by = ANY (${personIds}::int[]) AND i.accepted_at IS NULL AND i.revoked_at IS NULL
       AND (${tenantId ?? null}::int IS NULL OR i.tenant_id = ${tenantId ?? null}::int)
       AND NOT EXISTS (
         SELECT FROM membership m
           JOIN unnest(${grants.map(({ held }) => held)}::text[], ${grants.map(({ role }) => role)}::text[])
                AS g (held, role) ON g.held = m.role AND g.role = i.role
          WHERE m.tenant_id = i.tenant_id AND m.person_id = i.invited_by)`.execute(tx)
}
