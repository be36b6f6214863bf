import pg from 'pg'

/** How much the tables take with their indexes, as a sentence. */
export async function readBytes(url: string): Promise<string> {
  const client = new pg.Client(url)
  await client.connect()
  const { rows } = await client.query<{ name: string; mb: number }>(
    `SELECT name, round(sum(pg_total_relation_size(oid)) / 1e6)::int AS mb
       FROM (SELECT c.oid, coalesce(i.inhparent::regclass::text, c.relname) AS name
               FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid WHERE c.relkind = 'r') t
      WHERE name IN ('event', 'rollup_15m', 'metric_rollup_15m', 'rollup_long', 'sketch') GROUP BY 1 ORDER BY 2 DESC`,
  )
  await client.end()
  return `${rows.map(({ name, mb }) => `${name} ${mb} MB`).join(', ')}.`
}
