type ExecuteQuery = (sql: string, values: unknown[]) => Promise<{ rows: Record<string, unknown>[] }>

/** For how long single events are kept, as the workers of this database do it. Days count from 1970-01-01, UTC. */
export interface EventRetention {
  /** undefined before a worker has run its maintenance for the first time. */
  retentionDays: number | undefined
  /** The latest day that was dropped. */
  droppedThrough: number | undefined
  /** By Postgres' clock. */
  today: number
}

/** SQL: today by Postgres' clock, in days since 1970-01-01, UTC. */
export const TODAY_SQL = "((clock_timestamp() AT TIME ZONE 'UTC')::date - date '1970-01-01')"

export async function readRetention(execute: ExecuteQuery): Promise<EventRetention> {
  const { rows } = await execute(
    `SELECT ${TODAY_SQL} AS today, r.retention_days, r.dropped_through - date '1970-01-01' AS dropped
       FROM (SELECT) one LEFT JOIN event_retention r ON true`,
    [],
  )
  const { today, retention_days, dropped } = rows[0] as Record<string, number | null>
  return {
    today: today as number,
    retentionDays: retention_days ?? undefined,
    droppedThrough: dropped ?? undefined,
  }
}

/** What the worker that runs its maintenance was configured with. */
export async function saveRetentionDays(execute: ExecuteQuery, days: number): Promise<void> {
  await execute(
    `INSERT INTO event_retention AS r (retention_days) VALUES ($1)
     ON CONFLICT (only_row) DO UPDATE SET retention_days = EXCLUDED.retention_days
      WHERE r.retention_days <> EXCLUDED.retention_days`,
    [days],
  )
}

/**
 * In the transaction that drops the day.
 * @param lastStoredAt when the last event of it was stored, RFC 3339; null where that is not known
 */
export async function saveDroppedDay(
  execute: ExecuteQuery,
  day: number,
  lastStoredAt: string | null,
): Promise<void> {
  await execute(
    `UPDATE event_retention SET dropped_through = date '1970-01-01' + $1::int
      WHERE dropped_through IS NULL OR dropped_through < date '1970-01-01' + $1::int`,
    [day],
  )
  await execute(
    `INSERT INTO event_day_drop (day, dropped_at, last_stored_at)
     VALUES (date '1970-01-01' + $1::int, clock_timestamp(), $2::timestamptz)
     ON CONFLICT (day) DO UPDATE SET dropped_at = EXCLUDED.dropped_at, last_stored_at = EXCLUDED.last_stored_at`,
    [day, lastStoredAt],
  )
}
