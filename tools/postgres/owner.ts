import { createHmac } from 'node:crypto'
import pg from 'pg'
import { UsageError } from '../../core/lib/usage-error.ts'

/** Owns the database and is no superuser; all of Sluice connects as this role. */
export const OWNER = 'sluice_owner'
const DATABASE = 'sluice'

/** Derived, so that one file holds all secrets of this Postgres; it does not reveal the superuser's. */
export function ownerPassword(superuserPassword: string): string {
  return createHmac('sha256', superuserPassword).update(OWNER).digest('base64url')
}

/**
 * Creates the role and the database, or finds them, and sets the role's password. Up to version 0.2 the superuser owned
 * all tables: they are given to the role.
 * @param urlOf of a database, as superuser
 */
export async function ensureOwner(
  urlOf: (database: string) => string,
  password: string,
): Promise<void> {
  await withClient(urlOf('postgres'), async (client) => {
    const { rows } = await client.query<{ role: boolean; database: boolean }>(
      `SELECT to_regrole($1) IS NOT NULL AS role,
              EXISTS (SELECT FROM pg_database WHERE datname = $2) AS database`,
      [OWNER, DATABASE],
    )
    const verb = rows[0]?.role ? 'ALTER' : 'CREATE'
    await client.query(
      `${verb} ROLE ${OWNER} LOGIN CREATEROLE CREATEDB NOSUPERUSER PASSWORD ${pg.escapeLiteral(password)}`,
    )
    if (!rows[0]?.database) await client.query(`CREATE DATABASE ${DATABASE} OWNER ${OWNER}`)
  })
  await withClient(urlOf(DATABASE), (client) => client.query(TAKE_OVER))
}

/**
 * The same for a Postgres elsewhere.
 * @param adminUrl of any database, as superuser
 * @param url the role, its password and the database that Sluice will use
 * @throws UsageError when these are other names
 */
export async function ensureOwnerOf(adminUrl: string, url: string): Promise<void> {
  const { username, password, pathname } = new URL(url)
  if (username !== OWNER || pathname !== `/${DATABASE}` || password === '')
    throw new UsageError(
      'DATABASE_URL does not name the role that SLUICE_DATABASE_ADMIN_URL is to create.',
      `Set it to postgres://${OWNER}:password@host/${DATABASE}, or unset SLUICE_DATABASE_ADMIN_URL and create the role yourself.`,
    )
  await ensureOwner((database) => {
    const admin = new URL(adminUrl)
    admin.pathname = `/${database}`
    return admin.href
  }, decodeURIComponent(password))
}

const TAKE_OVER = `
DO $$
DECLARE
  statement text;
BEGIN
  FOR statement IN
    SELECT format('ALTER DATABASE %I OWNER TO ${OWNER}', datname) FROM pg_database
     WHERE datname = current_database() AND datdba <> '${OWNER}'::regrole
    UNION ALL
    -- Indexes, and sequences of identity columns, follow their tables.
    SELECT format('ALTER TABLE %s OWNER TO ${OWNER}', c.oid::regclass) FROM pg_class c
     WHERE relnamespace = 'public'::regnamespace AND relowner <> '${OWNER}'::regrole AND relkind IN ('r', 'p', 'v', 'm')
    UNION ALL
    SELECT format('ALTER ROUTINE %s OWNER TO ${OWNER}', p.oid::regprocedure) FROM pg_proc p
     WHERE pronamespace = 'public'::regnamespace AND proowner <> '${OWNER}'::regrole
    UNION ALL
    -- Where the superuser migrated before, the roles of migration 13 exist.
    SELECT format('GRANT %I TO ${OWNER} WITH ADMIN TRUE, INHERIT FALSE, SET TRUE', rolname) FROM pg_roles
     WHERE rolname IN ('sluice_write', 'sluice_read') AND NOT pg_has_role('${OWNER}', oid, 'SET')
  LOOP
    EXECUTE statement;
  END LOOP;
END $$`

async function withClient(
  url: string,
  work: (client: pg.Client) => Promise<unknown>,
): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}
