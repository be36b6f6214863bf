import type { ResultInfo } from '../../queries/query-result.ts'

/** How the result of a field was made. */
export function infoOf(extensions: Record<string, unknown>, field: string): ResultInfo {
  return (extensions.metrics as Record<string, ResultInfo>)[field] as ResultInfo
}

/** The same as `meta` of a response. */
export function toMeta(info: ResultInfo) {
  return {
    as_of: info.asOf,
    source: info.source,
    final: info.final,
    final_through: info.finalThrough ?? null,
    definition: info.definition,
    error_bound: info.errorBound,
    query_id: info.queryId,
    interval: info.interval.toLowerCase(),
    time_zone: info.timeZone,
    groups: info.groups ?? null,
    raw_since: info.rawSince ?? null,
  }
}
