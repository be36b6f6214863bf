import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { LIMITS } from '../../contract/limits.ts'
import { TOPICS } from '../../contract/log/topics.ts'
import { CHANNELS } from '../db/channels.ts'
import type { Database } from '../db/database.ts'
import { type AuditActor, recordAudit } from '../identity/audit/audit-log.ts'
import { ApiError } from '../lib/api-error.ts'
import { type ChangeLimit, UNLIMITED } from './change-limit.ts'
import type { MetricDefinition } from './metric-definition.ts'
import { METRIC_LIMITS } from './metric-limits.ts'

/** A version that was activated, or the one that counts what was declared already. */
export interface DeclaredMetric {
  metricId: number
  version: number
  /** False where the same definition was active already. */
  activated: boolean
}

/**
 * Declares a metric, or changes it: a changed definition is a new version, which counts from its activation on, and whose
 * history is backfilled again.
 *
 * Activation, in one transaction: no batch and no replay is between its positions and its commit while log_position is
 * locked. What was committed before is stored with an earlier `stored_at` than activated_at, and is left to the backfill.
 * What comes after reads the new version, because it reads it after the same lock (core/worker/write/positions.ts), and
 * has a later `stored_at`: a transaction that began before the activation and waited for it begins again. So an event is
 * counted by its batch or by the backfill, and by which of them can be read from its row, also after a restore and in
 * another log. `written_at` holds against a clock that was set back.
 * @param by for the audit log
 * @param limit of what the activation costs; nothing that is active already counts
 * @throws METRIC_NAME_TAKEN, METRIC_LIMIT_REACHED, UNAVAILABLE, and what the limit throws
 */
export async function declareMetric(
  db: Database,
  tenantId: number,
  definition: MetricDefinition,
  by: AuditActor,
  limit: ChangeLimit = UNLIMITED,
): Promise<DeclaredMetric> {
  const known = await findActive(db, tenantId, definition.name)
  if (known && isSame(known, definition))
    return { metricId: known.metric_id, version: known.version, activated: false }
  if (!known) await checkName(db, tenantId, definition.name)
  return limit.run(tenantId, () => tryToActivate(db, tenantId, definition, by))
}

/** Batches that queue behind an attempt are written before the next one. */
async function tryToActivate(
  db: Database,
  tenantId: number,
  definition: MetricDefinition,
  by: AuditActor,
): Promise<DeclaredMetric> {
  for (let attempt = 1; ; attempt++)
    try {
      return await db.transaction().execute(async (tx) => {
        const declared = await activate(tx, tenantId, definition)
        await recordDeclared(tx, by, tenantId, definition, declared.version)
        return declared
      })
    } catch (error) {
      const { code } = error as { code?: unknown }
      if (code !== '55P03' && code !== '40P01') throw error
      if (attempt === METRIC_LIMITS.activationAttempts)
        throw new ApiError('UNAVAILABLE', 'A batch takes long to be written; try again soon.')
      await sleep(METRIC_LIMITS.activationLockMs)
    }
}

async function recordDeclared(
  tx: Database,
  by: AuditActor,
  tenantId: number,
  { name, events, filters, value, dimensions }: MetricDefinition,
  version: number,
): Promise<void> {
  await recordAudit(tx, by, {
    tenantId,
    action: 'metric.declared',
    object: `metric ${name}`,
    after: { version, events: events ?? null, filters, value, dimensions },
  })
}

async function activate(
  tx: Database,
  tenantId: number,
  definition: MetricDefinition,
): Promise<DeclaredMetric> {
  const { name, events, filters, value, dimensions } = definition
  const topic = TOPICS.raw.name
  await sql.raw(`SET LOCAL lock_timeout = ${METRIC_LIMITS.activationLockMs}`).execute(tx)
  await sql`LOCK TABLE log_position IN EXCLUSIVE MODE`.execute(tx)
  await sql`SELECT FROM tenant WHERE tenant_id = ${tenantId} FOR NO KEY UPDATE`.execute(tx)
  await checkClock(tx)
  await checkLimits(tx, tenantId, name)
  await sql`
    UPDATE metric_definition SET retired_at = clock_timestamp()
     WHERE tenant_id = ${tenantId} AND name = ${name} AND retired_at IS NULL`.execute(tx)
  const byDimension = JSON.stringify(
    Object.fromEntries(filters.map((filter) => [filter.dimension, filter.in])),
  )
  const { rows } = await sql<{ metric_id: number; version: number }>`
    INSERT INTO metric_definition (tenant_id, name, version, events, filters, value_path, dimensions, activated_at, offsets, complete_since)
    SELECT ${tenantId}, ${name},
           (SELECT coalesce(max(version), 0) + 1 FROM metric_definition WHERE tenant_id = ${tenantId} AND name = ${name}),
           ${events ?? null}::text[], ${byDimension}::jsonb, ${value}, ${dimensions}::text[],
           greatest(clock_timestamp(), max(written_at)),
           coalesce(jsonb_object_agg(partition, next_offset), '{}'),
           (SELECT (r.dropped_through + 1) AT TIME ZONE 'UTC' + make_interval(secs => ${LIMITS.futureSecondsMax})
              FROM event_retention r JOIN tenant t ON t.tenant_id = ${tenantId}
             WHERE t.created_at < (r.dropped_through + 1) AT TIME ZONE 'UTC')
      FROM log_position WHERE topic = ${topic}
    RETURNING metric_id, version`.execute(tx)
  const { metric_id: metricId, version } = rows[0] as { metric_id: number; version: number }
  // Of days without events nothing is left to count.
  await sql`
    INSERT INTO metric_backfill (metric_id, tenant_id, day, done_through)
    SELECT ${metricId}, ${tenantId}, d.day, d.day AT TIME ZONE 'UTC'
      FROM (SELECT to_date(right(c.relname, 8), 'YYYYMMDD') AS day
              FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
             WHERE i.inhparent = 'event'::regclass AND c.relname ~ '^event_[0-9]{8}$') d`.execute(
    tx,
  )
  await sql`
    UPDATE tenant SET metrics_version = metrics_version + 1,
           metrics_activated_at = (SELECT activated_at FROM metric_definition WHERE metric_id = ${metricId})
     WHERE tenant_id = ${tenantId}`.execute(tx)
  await forgetResults(tx, tenantId)
  return { metricId, version, activated: true }
}

/**
 * Removes a metric: it counts nothing any more, and its name is free.
 * @param by for the audit log
 * @returns its version; undefined where there was none
 */
export async function retireMetric(
  db: Database,
  tenantId: number,
  name: string,
  by: AuditActor,
): Promise<number | undefined> {
  return db.transaction().execute(async (tx) => {
    await sql`SELECT FROM tenant WHERE tenant_id = ${tenantId} FOR NO KEY UPDATE`.execute(tx)
    const { rows } = await sql<{ version: number }>`
      UPDATE metric_definition SET retired_at = clock_timestamp()
       WHERE tenant_id = ${tenantId} AND name = ${name} AND retired_at IS NULL RETURNING version`.execute(
      tx,
    )
    if (!rows[0]) return undefined
    await sql`UPDATE tenant SET metrics_version = metrics_version + 1 WHERE tenant_id = ${tenantId}`.execute(
      tx,
    )
    await forgetResults(tx, tenantId)
    const { version } = rows[0]
    await recordAudit(tx, by, {
      tenantId,
      action: 'metric.retired',
      object: `metric ${name}`,
      before: { version },
    })
    return version
  })
}

interface ActiveRow {
  metric_id: number
  version: number
  events: string[] | null
  filters: Record<string, unknown>
  value_path: string
  dimensions: string[]
}

async function findActive(
  db: Database,
  tenantId: number,
  name: string,
): Promise<ActiveRow | undefined> {
  return db
    .selectFrom('metric_definition')
    .select(['metric_id', 'version', 'events', 'filters', 'value_path', 'dimensions'])
    .where('tenant_id', '=', tenantId)
    .where('name', '=', name)
    .where('retired_at', 'is', null)
    .executeTakeFirst()
}

function isSame(row: ActiveRow, { events, filters, value, dimensions }: MetricDefinition): boolean {
  const sorted = (list: readonly string[] | null | undefined) => (list ? [...list].sort() : null)
  const shape = (pairs: (readonly [string, readonly string[]])[]) =>
    pairs.map(([dimension, values]) => JSON.stringify([dimension, sorted(values)])).sort()
  return (
    JSON.stringify([
      sorted(row.events),
      shape(Object.entries(row.filters) as [string, string[]][]),
      row.value_path,
      row.dimensions,
    ]) ===
    JSON.stringify([
      sorted(events),
      shape(filters.map((filter) => [filter.dimension, filter.in])),
      value,
      dimensions,
    ])
  )
}

/** A metric would hide the events of its name. */
async function checkName(db: Database, tenantId: number, name: string): Promise<void> {
  const event = await db
    .selectFrom('series')
    .select('series_id')
    .where('tenant_id', '=', tenantId)
    .where('metric', '=', name)
    .executeTakeFirst()
  if (event)
    throw new ApiError('METRIC_NAME_TAKEN', undefined, {
      argument: 'name',
      pointer: '/name',
      errors: [{ pointer: '/name', code: 'METRIC_NAME_TAKEN', detail: 'is the name of events' }],
    })
}

/** Batches would have to wait until the clock is where it was. */
async function checkClock(tx: Database): Promise<void> {
  const { rows } = await sql<{ behind: boolean | null }>`
    SELECT max(written_at) > clock_timestamp() + interval '1 second' AS behind FROM log_position`.execute(
    tx,
  )
  if (rows[0]?.behind)
    throw new ApiError(
      'UNAVAILABLE',
      'The clock of Postgres was set back; metrics can be declared once it is where it was.',
    )
}

async function checkLimits(tx: Database, tenantId: number, name: string): Promise<void> {
  const { rows } = await sql<{ active: number; versions: number }>`
    SELECT count(*) FILTER (WHERE retired_at IS NULL AND name <> ${name}) AS active,
           count(*) FILTER (WHERE name = ${name}) AS versions
      FROM metric_definition WHERE tenant_id = ${tenantId}`.execute(tx)
  const { active = 0, versions = 0 } = rows[0] ?? {}
  const { metricsPerTenantMax, versionsMax } = METRIC_LIMITS
  if (active >= metricsPerTenantMax)
    throw new ApiError(
      'METRIC_LIMIT_REACHED',
      `A tenant has at most ${metricsPerTenantMax} metrics; remove one first.`,
      { limit: 'metrics' },
    )
  if (versions >= versionsMax)
    throw new ApiError(
      'METRIC_LIMIT_REACHED',
      `A metric has at most ${versionsMax} versions; choose another name.`,
      { limit: 'versions' },
    )
}

/** Results in caches may have been counted by another definition. */
async function forgetResults(tx: Database, tenantId: number): Promise<void> {
  const always = `${tenantId}:-9999999-99999999`
  await sql`SELECT pg_notify(${CHANNELS.changedBuckets}, ${always})`.execute(tx)
}
