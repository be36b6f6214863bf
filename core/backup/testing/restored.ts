import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'

/** A database without a table. */
export async function createEmptyDatabase(template = 'template1') {
  const server = inject('postgresUrl')
  const name = `test_${randomBytes(8).toString('hex')}`
  const admin = new pg.Client({ connectionString: server })
  await admin.connect()
  await admin.query(`CREATE DATABASE ${name} TEMPLATE ${template}`)
  const url = server.replace(/\/sluice$/, `/${name}`)
  const pool = new pg.Pool({ connectionString: url, max: 3, options: '-c timezone=UTC' })
  pool.on('error', () => {})
  return {
    ...{ url, pool, name },
    async drop() {
      await pool.end()
      await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      await admin.end()
    },
  }
}

/**
 * Of everything that is counted; when a row was written, and which events were late, depends on when it was applied, and
 * the last bits of a sum on which events were applied together.
 */
const NUMBERS: Record<string, string> = {
  events: `SELECT md5(string_agg((to_jsonb(e) - '{stored_at,arrival}'::text[])::text, ',' ORDER BY tenant_id, event_id, received_on)) FROM event e`,
  event_count: 'SELECT count(*)::int FROM event',
  rollups: `SELECT md5(string_agg(concat_ws(' ', r.tenant_id, metric, bucket, count, value_count, round(sum::numeric, 6), min, max), ',' ORDER BY r.tenant_id, metric, bucket))
              FROM rollup_15m r JOIN series s USING (series_id)`,
  metrics: `SELECT md5(string_agg(concat_ws(' ', tenant_id, dims, bucket, count, value_count, round(sum::numeric, 6), min, max), ',' ORDER BY tenant_id, dims, bucket))
              FROM (SELECT r.tenant_id, dims, bucket, sum(count) AS count, sum(value_count) AS value_count, sum(sum) AS sum, min(min) AS min, max(max) AS max
                      FROM metric_rollup_15m r JOIN metric_series s USING (series_id) GROUP BY 1, 2, 3) m`,
  outcomes: `SELECT md5(string_agg(concat_ws(' ', tenant_id, minute, stored, duplicate, conflicting, dead), ',' ORDER BY tenant_id, minute))
               FROM outcome_minute`,
  totals: 'SELECT jsonb_agg(to_jsonb(t) ORDER BY partition) FROM outcome_total_by_partition t',
  dead_letters: `SELECT md5(string_agg(concat_ws(' ', tenant_id, reason, fingerprint, original, partition, log_offset, state), ',' ORDER BY partition, log_offset))
                   FROM dead_letter`,
  positions: `SELECT jsonb_object_agg(partition, next_offset) FROM log_position WHERE topic = 'events.raw'`,
  keys: `SELECT md5(string_agg((to_jsonb(k) - 'changed_xid')::text, ',' ORDER BY key_id)) FROM api_key k`,
}

/** What two databases of the same events have in common. */
export async function readNumbers(pool: pg.Pool): Promise<Record<string, unknown>> {
  const columns = Object.entries(NUMBERS).map(([name, sql]) => `(${sql}) AS ${name}`)
  const { rows } = await pool.query(`SELECT ${columns.join(', ')}`)
  return rows[0]
}
