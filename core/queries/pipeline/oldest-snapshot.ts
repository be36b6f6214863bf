import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'

/**
 * For how long, in seconds, Postgres has had to keep row versions that nothing else needs: the age of the oldest
 * transaction with a snapshot or an id, or prepared. 0 without one. Meanwhile rows that change with each batch
 * (positions, watermarks, totals) cannot be pruned, and reads of them become slower with every version.
 *
 * A role without pg_read_all_stats sees the times of its own sessions alone, so not those of a pg_dump as another
 * role. Replication slots hold rows back too, but Postgres records no time of theirs.
 */
export async function readOldestSnapshotSeconds(db: Database): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    SELECT coalesce(extract(epoch FROM clock_timestamp() - least(
             (SELECT min(xact_start) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()
                 AND backend_type <> 'autovacuum worker'
                 AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)),
             (SELECT min(prepared) FROM pg_prepared_xacts WHERE database = current_database()))), 0)::float8 AS seconds`.execute(
    db,
  )
  return Math.max(0, rows[0]?.seconds ?? 0)
}
