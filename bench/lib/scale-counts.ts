import pg from 'pg'

export interface CountsSize {
  tenants: number
  namesPerTenant: number
  days: number
}

/**
 * Adds what a worker counted, without its events: outcomes of every tenant for the last minutes, and rollups of every
 * series for the last buckets.
 * @returns rows of outcome_minute
 */
export async function addCounts(
  url: string,
  { minutes, buckets }: { minutes: number; buckets: number },
): Promise<number> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query(
    `INSERT INTO outcome_minute (tenant_id, minute, stored)
     SELECT tenant_id, date_trunc('minute', now()) - make_interval(mins => m), 1
       FROM tenant, generate_series(0, $1::int - 1) m ON CONFLICT DO NOTHING`,
    [minutes],
  )
  await client.query(
    'UPDATE outcome_total_by_partition SET stored = (SELECT sum(stored) FROM outcome_minute) WHERE partition = 0',
  )
  await client.query(
    `INSERT INTO rollup_15m (tenant_id, series_id, bucket, count, value_count, sum, min, max, late_count)
     SELECT tenant_id, series_id, date_bin('15 minutes', now(), 'epoch') - make_interval(mins => 15 * b), 1, 1, 1, 1, 1, 0
       FROM series, generate_series(0, $1::int - 1) b ON CONFLICT DO NOTHING`,
    [buckets],
  )
  await client.query('VACUUM ANALYZE')
  const { rows } = await client.query('SELECT count(*)::int AS count FROM outcome_minute')
  await client.end()
  return rows[0].count
}
