import type { Database } from '../../db/database.ts'
import { inTransaction } from '../../db/in-transaction.ts'
import { ApiError, badInput } from '../../lib/api-error.ts'
import { recordAudit } from '../audit/audit-log.ts'
import { IdentityError } from '../identity-error.ts'
import { createTenant } from '../tenants.ts'
import { type ChangedBy, personOf } from './members.ts'

/**
 * Creates a tenant, with an owner where a person creates it.
 * @throws BAD_USER_INPUT for an id that no tenant can have, TENANT_EXISTS
 */
export function createTenantFor(
  db: Database,
  { tenant, by }: { tenant: string; by: ChangedBy },
): Promise<void> {
  return inTransaction(db, async (tx) => {
    if (!(await create(tx, tenant, by))) throw new ApiError('TENANT_EXISTS')
    const owner = personOf(by)
    if (owner === undefined) return
    const { tenant_id } = await tx
      .selectFrom('tenant')
      .select('tenant_id')
      .where('slug', '=', tenant)
      .executeTakeFirstOrThrow()
    await tx
      .insertInto('membership')
      .values({ tenant_id, person_id: owner, role: 'OWNER' })
      .execute()
    await recordAudit(tx, by.actor, {
      tenantId: tenant_id,
      action: 'member.joined',
      object: `person ${owner}`,
      after: { role: 'OWNER' },
    })
  })
}

async function create(tx: Database, tenant: string, { actor }: ChangedBy): Promise<boolean> {
  try {
    return await createTenant(tx, { tenant }, actor)
  } catch (error) {
    if (error instanceof IdentityError)
      throw badInput(
        'id',
        'is not 1 to 63 lower-case letters, digits and dashes, not beginning with a dash',
      )
    throw error
  }
}
