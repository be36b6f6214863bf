import type pg from 'pg'

export interface WalPart {
  part: string
  bytes: number
}

/** Tables of several partitions count as one, and a table with its TOAST table. */
const PART_OF_RELATION = `
  regexp_replace(coalesce(t.relname, c.relname), '_?[0-9]{6,8}', '')
  || CASE WHEN coalesce(ti.relname, c.relname) LIKE 'pg_toast%' THEN ' (TOAST)' ELSE '' END`

/** Bytes of each table, TOAST table and index, without what Postgres keeps for itself. */
export async function databaseBytes(client: pg.Client): Promise<Map<string, number>> {
  const { rows } = await client.query<{ part: string; bytes: number }>(`
    SELECT ${PART_OF_RELATION} AS part, sum(pg_relation_size(c.oid))::float8 AS bytes
      FROM pg_class c
      LEFT JOIN pg_index i ON i.indexrelid = c.oid
      LEFT JOIN pg_class ti ON ti.oid = coalesce(i.indrelid, c.oid) AND ti.relkind = 't'
      LEFT JOIN pg_class t ON t.reltoastrelid = ti.oid
     WHERE c.relnamespace IN ('public'::regnamespace, 'pg_toast'::regnamespace) AND c.relkind IN ('r', 'i', 't')
     GROUP BY 1`)
  return new Map(rows.map(({ part, bytes }) => [part, bytes]))
}

export async function currentLsn(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn() AS lsn')
  return rows[0]?.lsn as string
}

/**
 * The WAL between two positions by the table or index that it is about, most first; full pages apart. A record about
 * several blocks counts for the first one.
 */
export async function walBytes(client: pg.Client, start: string, end: string): Promise<WalPart[]> {
  const { rows } = await client.query<WalPart>(
    `WITH block AS (
       SELECT DISTINCT ON (start_lsn) start_lsn, relfilenode, reldatabase
         FROM pg_get_wal_block_info($1, $2, false) ORDER BY start_lsn, block_id),
     record AS (
       SELECT r.start_lsn, r.resource_manager, r.record_type, r.record_length, r.fpi_length, b.relfilenode, b.reldatabase
         FROM pg_get_wal_records_info($1, $2) r LEFT JOIN block b USING (start_lsn)),
     named AS (
       SELECT CASE WHEN r.relfilenode IS NULL THEN r.resource_manager || ' ' || r.record_type
                   WHEN c.oid IS NULL THEN 'other databases'
                   WHEN c.relnamespace = 'pg_catalog'::regnamespace THEN 'catalog'
                   ELSE ${PART_OF_RELATION} END AS part,
              record_length - fpi_length AS own, fpi_length
         FROM record r
         LEFT JOIN pg_class c ON pg_relation_filenode(c.oid) = r.relfilenode
                             AND r.reldatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
         LEFT JOIN pg_index i ON i.indexrelid = c.oid
         LEFT JOIN pg_class ti ON ti.oid = coalesce(i.indrelid, c.oid) AND ti.relkind = 't'
         LEFT JOIN pg_class t ON t.reltoastrelid = ti.oid)
     SELECT part, sum(bytes)::float8 AS bytes FROM (
       SELECT part, own AS bytes FROM named
       UNION ALL SELECT 'full pages', fpi_length FROM named) parts
      GROUP BY 1 HAVING sum(bytes) > 0 ORDER BY 2 DESC`,
    [start, end],
  )
  const total = await client.query<{ bytes: number }>(
    'SELECT pg_wal_lsn_diff($2, $1)::float8 AS bytes',
    [start, end],
  )
  const named = rows.reduce((all, { bytes }) => all + bytes, 0)
  const rest = (total.rows[0]?.bytes ?? named) - named
  return [...rows, { part: 'alignment and page headers', bytes: rest }]
}
