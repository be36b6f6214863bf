import { LOCKS } from '../db/locks.ts'
import type { Dims } from './compile-metric.ts'
import { METRIC_LIMITS } from './metric-limits.ts'

type ExecuteQuery = (sql: string, values: unknown[]) => Promise<{ rows: Record<string, unknown>[] }>

/** The series in which a combination of dimension values counts. */
export interface AdmittedSeries {
  id: number
  /** It counts with others beyond the limit. */
  isShared: boolean
}

/**
 * The series of these combinations, created or taken back where there is room (migration 20).
 * @returns in the order of `wanted`
 */
export async function admitMetricSeries(
  execute: ExecuteQuery,
  { tenantId, metricId }: { tenantId: number; metricId: number },
  wanted: readonly Dims[],
  seriesMax: number = METRIC_LIMITS.seriesMax,
): Promise<AdmittedSeries[]> {
  const { rows } = await execute(
    'SELECT index, id, is_shared FROM admit_metric_series($1, $2, $3, $4, $5)',
    [LOCKS.metricSeries(metricId).name, tenantId, metricId, JSON.stringify(wanted), seriesMax],
  )
  const admitted: AdmittedSeries[] = []
  for (const row of rows)
    admitted[row.index as number] = { id: Number(row.id), isShared: row.is_shared as boolean }
  return admitted
}
