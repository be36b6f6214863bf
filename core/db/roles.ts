import pg from 'pg'

/**
 * Which roles the parts of core use on one database. The role of DATABASE_URL owns the tables: it migrates, and creates
 * and drops the tables of days. All else runs with fewer rights, by SET ROLE when a connection is opened.
 */
export interface DatabaseRoles {
  /** For the worker's batches, the gateway and identity: no DDL. undefined: the role of DATABASE_URL. */
  write: 'sluice_write' | undefined
  /** For queries: no writing, no secrets, and the rows of one tenant (withTenant in database.ts). */
  read: 'sluice_read' | undefined
}

/** As the role of DATABASE_URL itself. */
export const OWNER_ONLY: DatabaseRoles = { write: undefined, read: undefined }

/**
 * SQL: tables, partitions aside, that sluice_grant_roles() has not seen: those of tenants without a policy, and others
 * that the role that reads may not read, although they hold no bytes.
 */
export const TABLES_WITHOUT_RIGHTS = `
  SELECT FROM pg_class c
   WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
     AND CASE WHEN EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
              THEN NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'sluice_read')
              ELSE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.atttypid = 'bytea'::regtype)
                   AND EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'sluice_read' AND NOT has_any_column_privilege(r.oid, c.oid, 'SELECT'))
         END`

/** What goes into a connection's `options` so that it begins as this role. */
export function roleOption(role: string | undefined): string {
  return role === undefined ? '' : `-c role=${role}`
}

/**
 * Finds which roles the role of this URL may assume; migration 13 created them, unless it was not allowed to.
 * @param onMissing called when there are none, and with what to do about it
 */
export async function findDatabaseRoles(
  url: string,
  onMissing: (hint: string) => void,
): Promise<DatabaseRoles> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
  })
  client.on('error', () => {})
  try {
    await client.connect()
    const { rows } = await client.query<{ granted: boolean }>(`
      SELECT bool_and(pg_has_role(current_user, r.oid, 'SET')
                      AND has_table_privilege(r.oid, 'tenant', 'SELECT')
                      AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = 'event'::regclass AND p.polname = r.rolname))
             AND count(*) = 2 AND NOT EXISTS (${TABLES_WITHOUT_RIGHTS}) AS granted
        FROM pg_roles r WHERE r.rolname IN ('sluice_write', 'sluice_read')`)
    if (rows[0]?.granted) return { write: 'sluice_write', read: 'sluice_read' }
  } finally {
    await client.end().catch(() => {})
  }
  onMissing(
    'Give the role of DATABASE_URL the right CREATEROLE once and run "sluice migrate", or create the roles as docs/deployment.md shows.',
  )
  return OWNER_ONLY
}
