import { sql } from 'kysely'
import type { Database } from '../db/database.ts'

/**
 * Which keys changed between two looks at Postgres, without missing a commit.
 *
 * Ids of transactions are given in the order in which they begin to write, but they commit in any order: "greater than
 * the greatest id seen" would miss a transaction that began earlier and commits later. So what is remembered is the
 * snapshot: `xmin`, below which every transaction had ended, and those above it that still ran. Triggers store in
 * changed_xid which transaction changed a row last (migration 15). A row has to be read again exactly if that
 * transaction was not visible in the former snapshot: it was still running then, or began later. Its id is xmin or
 * greater in both cases, so an index finds it. An old transaction that runs for long holds xmin back, which makes
 * Postgres look at more of the index, and returns no row twice.
 */
export interface KeyPosition {
  /**
   * The server's start and the tables, because snapshots of another server, or of rows that were restored, cannot be
   * compared. After a failover, and after a crash that lost the last asynchronous commits, the same ids belong to other
   * transactions; a crash that the server recovers from by itself resets its statistics.
   */
  source: string
  /** pg_snapshot as text. */
  snapshot: string
}

/** To be read before the keys: what is committed between the two is found now, and again by the next look. */
export async function readKeyPosition(db: Database): Promise<KeyPosition> {
  const { rows } = await sql<KeyPosition>`
    SELECT concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()),
                     (SELECT extract(epoch FROM stats_reset) FROM pg_stat_wal),
                     (SELECT oid FROM pg_database WHERE datname = current_database()),
                     'api_key'::regclass::oid, 'tenant'::regclass::oid) AS source,
           pg_current_snapshot()::text AS snapshot`.execute(db)
  return rows[0] as KeyPosition
}

/**
 * Keys whose record may differ from what it was in a former snapshot, those of changed tenants included.
 * @returns ids, at most `max`
 */
export async function changedKeyIds(db: Database, former: string, max: number): Promise<string[]> {
  const { rows } = await sql<{ key_id: string }>`
    SELECT key_id FROM api_key WHERE ${changedSince('api_key.changed_xid', former)}
     UNION
    SELECT key_id FROM tenant JOIN api_key USING (tenant_id) WHERE ${changedSince('tenant.changed_xid', former)}
     LIMIT ${max}`.execute(db)
  return rows.map((row) => row.key_id)
}

/**
 * Keys deleted after a former snapshot, or during the last day.
 * @param after the last of the page before
 * @returns SHA-256 as 64 hexadecimal digits, in their order, at most `max`
 */
export async function deletedKeys(
  db: Database,
  former: string | undefined,
  after: string,
  max: number,
): Promise<string[]> {
  const since = former === undefined ? sql`true` : changedSince('deleted_xid', former)
  const { rows } = await sql<{ sha256Hex: string }>`
    SELECT encode(key_sha256, 'hex') AS "sha256Hex" FROM deleted_api_key
     WHERE ${since} AND key_sha256 > ${Buffer.from(after, 'hex')} ORDER BY key_sha256 LIMIT ${max}`.execute(
    db,
  )
  return rows.map((row) => row.sha256Hex)
}

/** Redis has forgotten by itself what was deleted a day ago. */
export async function forgetDeletedKeys(db: Database): Promise<void> {
  await sql`DELETE FROM deleted_api_key WHERE deleted_at < now() - interval '1 day'`.execute(db)
}

/**
 * The upper bound leaves out rows that were copied from another cluster with its ids, which may be years ahead. It is
 * that of the statement's own snapshot, so it leaves out nothing that was changed here.
 */
function changedSince(column: string, former: string) {
  const xid = sql.ref(column)
  return sql`${xid} >= pg_snapshot_xmin(${former}::pg_snapshot)
         AND ${xid} < pg_snapshot_xmax(pg_current_snapshot())
         AND NOT pg_visible_in_snapshot(${xid}, ${former}::pg_snapshot)`
}
