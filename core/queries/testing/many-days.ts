import pg from 'pg'
import {
  createPartitions,
  DAY_MS,
  DAYS,
  MONTHS,
  type Partitions,
  readToday,
} from '../../db/partitions.ts'

export interface ManyDays {
  tenants: number
  namesPerTenant: number
  /** With today; each has a partition and at least one event. */
  days: number
  /** Of all tenants together. */
  eventsPerDay: number
}

/** The tenant with events on every day, and the one that has a single event, on the oldest day. */
export const BUSY_TENANT = 'tenant-1'
export const QUIET_TENANT = 'tenant-2'

/** Each takes several locks until the transaction ends. */
const CREATED_AT_ONCE = 50

/**
 * Fills an empty database with tenants, names and days as a worker would have left them, in few statements. Events
 * have a UUIDv7 as their id, the others a UUIDv4.
 * @param url of the role that owns the tables
 */
export async function fillManyDays(url: string, size: ManyDays): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, max: 1 })
  try {
    await createDays(pool, size.days)
    await pool.query(
      "INSERT INTO tenant (slug) SELECT 'tenant-' || i FROM generate_series(1, $1::int) i",
      [size.tenants],
    )
    await pool.query(
      `INSERT INTO series (tenant_id, metric, created_at)
       SELECT tenant_id, 'name_' || n, now() - make_interval(days => $2)
         FROM tenant, generate_series(0, $1::int - 1) n WHERE slug ~ '^tenant-'`,
      [size.namesPerTenant, size.days],
    )
    await pool.query(INSERT_EVENTS, [size.days, size.eventsPerDay, size.namesPerTenant])
    for (const sql of AGGREGATES) await pool.query(sql)
    await pool.query('ANALYZE')
  } finally {
    await pool.end()
  }
}

async function createDays(pool: pg.Pool, count: number): Promise<void> {
  const today = await readToday(pool)
  const months = Math.ceil(count / 28) + 1
  const month = MONTHS.numberOf(today * DAY_MS)
  await createEach(
    createPartitions({ pool, table: 'event', unit: DAYS, isCompact: true }),
    today,
    count,
  )
  // As if the database had been migrated so long ago.
  for (const table of ['outcome_minute', 'rollup_15m']) await dropEarlier(pool, table)
  await createEach(createPartitions({ pool, table: 'outcome_minute', unit: DAYS }), today, count)
  await createEach(createPartitions({ pool, table: 'rollup_15m', unit: MONTHS }), month, months)
}

async function createEach(partitions: Partitions, newest: number, count: number): Promise<void> {
  for (let i = 0; i < count; i += CREATED_AT_ONCE)
    await partitions.ensure(
      Array.from({ length: Math.min(CREATED_AT_ONCE, count - i) }, (_, n) => newest - i - n),
    )
}

/** The first partition, which takes every time before the others. */
async function dropEarlier(pool: pg.Pool, table: string): Promise<void> {
  const { rows } = await pool.query<{ name: string }>(
    'SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass',
    [table],
  )
  for (const { name } of rows) if (name.endsWith('_earlier')) await pool.query(`DROP TABLE ${name}`)
}

/** Half of each day's events are the busy tenant's; the quiet one has the first. Nothing is received in the future. */
const INSERT_EVENTS = `
WITH t AS (SELECT array_agg(tenant_id ORDER BY tenant_id) AS ids FROM tenant WHERE slug ~ '^tenant-'),
e AS (
  SELECT d, i, CASE WHEN d = $1::int - 1 AND i = 0 THEN coalesce(ids[2], ids[1])
                    WHEN i % 2 = 0 OR cardinality(ids) < 3 THEN ids[1]
                    ELSE ids[3 + (d * 7919 + i) % (cardinality(ids) - 2)] END AS tenant_id,
         CASE WHEN d = 0 THEN now() - make_interval(secs => extract(epoch FROM now() - date_trunc('day', now())) * i / $2::int)
              ELSE date_trunc('day', now()) - make_interval(days => d)
                   + make_interval(secs => 86400.0 * i / $2::int) END AS received_at
    FROM t, generate_series(0, $1::int - 1) d, generate_series(0, $2::int - 1) i
)
INSERT INTO event (tenant_id, event_id, received_on, received_at, occurred_at, name, actor, value, properties,
                   log_partition, log_offset)
SELECT tenant_id,
       CASE WHEN i % 4 < 2 THEN (lpad(to_hex((extract(epoch FROM received_at) * 1000)::bigint), 12, '0') || '7'
                                 || substr(md5(d || ' ' || i), 1, 3) || '8' || substr(md5(i || ' ' || d), 1, 15))::uuid
            ELSE gen_random_uuid() END,
       (received_at AT TIME ZONE 'UTC')::date, received_at, received_at - interval '1 second', 'name_' || i % $3::int,
       'actor-' || i % 100, i, '{}', i % 6, d * $2::int + i
  FROM e`

const AGGREGATES = [
  `INSERT INTO rollup_15m (tenant_id, series_id, bucket, count, value_count, sum, min, max, late_count)
   SELECT e.tenant_id, s.series_id, date_bin('15 minutes', e.occurred_at, 'epoch'), count(*), count(value), sum(value),
          min(value), max(value), 0
     FROM event e JOIN series s ON s.tenant_id = e.tenant_id AND s.metric = e.name GROUP BY 1, 2, 3`,
  `INSERT INTO outcome_minute (tenant_id, minute, stored)
   SELECT tenant_id, date_trunc('minute', received_at), count(*) FROM event GROUP BY 1, 2`,
  'INSERT INTO outcome_total_by_partition (partition, stored) SELECT 0, sum(stored) FROM outcome_minute',
  `INSERT INTO watermark (tenant_id, partition, highest_at)
   SELECT tenant_id, log_partition, date_trunc('minute', max(occurred_at)) FROM event GROUP BY 1, 2`,
  `INSERT INTO dead_letter (tenant_id, reason, detail, fingerprint, original, topic, partition, log_offset, received_at,
                            forwarded_at)
   SELECT tenant_id, 'EVENT_INVALID', 'detail', 'fingerprint', 'original', 'events.raw', log_partition, log_offset,
          received_at, received_at
     FROM event WHERE log_offset % 100 = 0`,
]
