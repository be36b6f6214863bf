import type { StoredMetric } from './compile-metric.ts'

/** The columns of metric_definition that say what is counted. */
export const METRIC_COLUMNS = 'metric_id, tenant_id, name, events, filters, value_path, dimensions'

/** @param row with METRIC_COLUMNS */
export function readMetric(row: Record<string, unknown>): StoredMetric {
  return {
    metricId: Number(row.metric_id),
    tenantId: Number(row.tenant_id),
    name: row.name as string,
    events: (row.events as string[] | null) ?? undefined,
    filters: Object.entries(row.filters as Record<string, string[]>).map(([dimension, values]) => ({
      dimension,
      in: values,
    })),
    value: row.value_path as string,
    dimensions: row.dimensions as string[],
  }
}
