import type { ResultInfo } from '../../queries/query-result.ts'

/** The same as `meta` of a response. */
export function toMeta(info: ResultInfo) {
  return {
    as_of: info.asOf,
    source: info.source,
    final: info.final,
    final_through: info.finalThrough ?? null,
    verified_through: info.verifiedThrough ?? null,
    definition: info.definition,
    error_bound: info.errorBound,
    query_id: info.queryId,
    interval: info.interval.toLowerCase(),
    time_zone: info.timeZone,
    groups: info.groups ?? null,
    raw_since: info.rawSince ?? null,
    complete_since: info.completeSince ?? null,
    series_limit: info.seriesLimit ?? null,
  }
}
