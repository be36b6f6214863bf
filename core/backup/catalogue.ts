import type pg from 'pg'

/** A table of the database as a backup sees it. */
export interface CatalogueTable {
  name: string
  columns: string[]
  /** Names of its partitions where it has some; undefined where it is one table. */
  partitions: string[] | undefined
  /** Identity columns. */
  identities: string[]
  /** Tables that its foreign keys refer to. */
  refersTo: string[]
}

/**
 * What is no part of a backup. Of people: who is signed in or about to be, so that nothing of that comes back with an old
 * backup. Of processes: who runs. And what was found out about the numbers, which a restored system has to find out by itself.
 */
export const LEFT_OUT: ReadonlySet<string> = new Set([
  'session',
  'login_link',
  'pending_sign_in',
  'passkey_challenge',
  'worker_heartbeat',
  'rest_instance',
  'log_count_lease',
  'unaccounted_minute',
  'rollup_difference',
  'verification_state',
  'balance_check',
  'verification',
  'verification_part',
  'canary',
  'canary_sender',
  // Of keys that were deleted during the last day, for caches of this system.
  'deleted_api_key',
  // Has the rows that restoring itself writes.
  'migration',
])

/** All tables that are backed up, each after those that it refers to. */
export async function readCatalogue(
  client: Pick<pg.ClientBase, 'query'>,
): Promise<CatalogueTable[]> {
  const { rows } = await client.query<CatalogueTable & { is_partitioned: boolean }>(
    `SELECT c.relname AS name, c.relkind = 'p' AS is_partitioned,
            (SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
              WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '') AS columns,
            (SELECT coalesce(array_agg(attname::text), '{}') FROM pg_attribute
              WHERE attrelid = c.oid AND attidentity <> '') AS identities,
            (SELECT coalesce(array_agg(p.relname::text ORDER BY p.relname), '{}')
               FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhrelid WHERE i.inhparent = c.oid) AS partitions,
            (SELECT coalesce(array_agg(DISTINCT f.relname::text), '{}')
               FROM pg_constraint k JOIN pg_class f ON f.oid = k.confrelid
              WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid <> c.oid) AS "refersTo"
       FROM pg_class c
      WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      ORDER BY c.relname`,
  )
  const tables = rows
    .filter(({ name }) => !LEFT_OUT.has(name))
    .map(({ is_partitioned, ...table }) => ({
      ...table,
      partitions: is_partitioned ? table.partitions : undefined,
    }))
  return inOrder(tables)
}

function inOrder(tables: readonly CatalogueTable[]): CatalogueTable[] {
  const byName = new Map(tables.map((table) => [table.name, table]))
  const ordered = new Set<CatalogueTable>()
  const add = (table: CatalogueTable) => {
    for (const name of table.refersTo) {
      const other = byName.get(name)
      byName.delete(name)
      if (other) add(other)
    }
    ordered.add(table)
  }
  for (const table of tables) if (byName.delete(table.name)) add(table)
  return [...ordered]
}

/** The newest migration that was applied. @throws where the database is not Sluice's */
export async function readSchemaVersion(
  client: Pick<pg.ClientBase, 'query'>,
): Promise<{ number: number; sha256: string }> {
  const { rows } = await client.query<{ number: number; sha256: string }>(
    'SELECT number, sha256 FROM migration ORDER BY number DESC LIMIT 1',
  )
  if (!rows[0]) throw new Error('No migration was applied to this database.')
  return rows[0]
}
