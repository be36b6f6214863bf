import { sql } from 'kysely'
import type { Database } from '../../db/database.ts'
import type { TenantViewer } from '../../identity/viewer.ts'
import { METRIC_COLUMNS, readMetric } from '../../metrics/stored-metrics.ts'
import type { Instant } from '../instant.ts'
import type { MetricsArgs, MetricsInput } from '../metrics/metrics-args.ts'
import { canUseStoredBuckets, isAddable } from '../metrics/stored-buckets.ts'
import { argsOfMetric, canUseSeries } from '../sql/declared-metric.ts'
import type { Names } from '../sql/names.ts'

/** What a name meant at a moment, and how a query of it was read then. */
export interface DefinitionAt {
  /** Undefined: the events of the name. */
  version: number | undefined
  metricId: number | undefined
  /** As single events are selected by it. */
  args: MetricsArgs
  /** Whole 15-minute buckets were read from rollups, which keep what they counted. */
  fromRollups: boolean
  /** Of a metric by rollups; of all else everything that is stored counts. */
  history: History | undefined
}

/** Which events from before the activation a metric had counted at the moment, by the day on which they were received. */
export interface History {
  activatedAt: Instant
  /** Days that were not counted yet, as `YYYY-MM-DD`. */
  open: string[]
  /** Of those: days that were counted in parts, of which it is not known which were. */
  partly: string[]
}

/**
 * The definition that counted at a moment; by Postgres' clock, as activations are. Versions are kept for ever.
 * @param args as the client wrote them
 */
export async function definitionAt(
  db: Database,
  viewer: TenantViewer,
  { input, args, names }: { input: MetricsInput; args: MetricsArgs; names: Names },
  at: Instant,
): Promise<DefinitionAt> {
  const name = input.name.normalize('NFC').trim()
  const { rows } = await sql<Record<string, unknown>>`
    SELECT ${sql.raw(METRIC_COLUMNS)}, version, activated_at
      FROM metric_definition d
     WHERE tenant_id = ${viewer.tenantId} AND name = ${name} AND activated_at <= ${at}::timestamptz
       AND (retired_at IS NULL OR retired_at > ${at}::timestamptz)
     ORDER BY version DESC LIMIT 1`.execute(db)
  const row = name === '*' ? undefined : rows[0]
  if (!row)
    return {
      version: undefined,
      metricId: undefined,
      args,
      fromRollups: isAddable(args) && canUseStoredBuckets(args, names),
      history: undefined,
    }
  const metric = readMetric(row)
  const ofMetric = argsOfMetric(metric, args, input)
  const fromRollups = isAddable(ofMetric) && canUseSeries(metric, ofMetric)
  const { metricId } = metric
  return {
    version: row.version as number,
    metricId,
    args: ofMetric,
    fromRollups,
    history: fromRollups
      ? { activatedAt: row.activated_at as Instant, ...(await daysOpenAt(db, metricId, at)) }
      : undefined,
  }
}

async function daysOpenAt(
  db: Database,
  metricId: number,
  at: Instant,
): Promise<Pick<History, 'open' | 'partly'>> {
  const isCounted = sql`completed_at <= ${at}::timestamptz AND done_through >= (day + 1) AT TIME ZONE 'UTC'`
  const { rows } = await sql<{ day: string; partly: boolean }>`
    SELECT day::text AS day,
           done_through > day AT TIME ZONE 'UTC' AND coalesce(first_part_at <= ${at}::timestamptz, true)
             AND first_part_at IS DISTINCT FROM completed_at AS partly
      FROM metric_backfill WHERE metric_id = ${metricId} AND (${isCounted}) IS NOT TRUE`.execute(db)
  return {
    open: rows.map(({ day }) => day),
    partly: rows.filter(({ partly }) => partly).map(({ day }) => day),
  }
}
