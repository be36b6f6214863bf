import { type RawBuilder, sql } from 'kysely'

/** The tenant of canaries (core/proof/canaries). No customer's tenant begins with a dash. */
export const CANARY_TENANT = '-canaries'

/** SQL: whether a tenant is a customer's. Others are in no list, and nobody queries them. */
export function isCustomers(slug: string): RawBuilder<boolean> {
  return sql<boolean>`${sql.ref(slug)} NOT LIKE '-%'`
}
