import type { Database } from '../../db/database.ts'
import { ApiError, badInput } from '../../lib/api-error.ts'
import { IdentityError } from '../identity-error.ts'
import { createTenant } from '../tenants.ts'

/**
 * Creates a tenant, with an owner where a person creates it.
 * @throws BAD_USER_INPUT for an id that no tenant can have, TENANT_EXISTS
 */
export function createTenantFor(
  db: Database,
  { tenant, owner }: { tenant: string; owner: number | undefined },
): Promise<void> {
  return db.transaction().execute(async (tx) => {
    if (!(await create(tx, tenant))) throw new ApiError('TENANT_EXISTS')
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
  })
}

async function create(tx: Database, tenant: string): Promise<boolean> {
  try {
    return await createTenant(tx, { tenant })
  } catch (error) {
    if (error instanceof IdentityError)
      throw badInput(
        'id',
        'is not 1 to 63 lower-case letters, digits and dashes, not beginning with a dash',
      )
    throw error
  }
}
