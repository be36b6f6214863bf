import type { ResultInfo } from '../../../queries/query-result.ts'
import type { ToolOutput } from '../tool-text.ts'

/** Where a number comes from and how certain it is. */
export function factsOf(info: ResultInfo): ToolOutput['facts'] {
  return {
    as_of: info.asOf,
    final: info.final,
    final_through: info.final ? undefined : (info.finalThrough ?? null),
    source: info.source,
    error_bound: info.errorBound,
    complete_since: info.completeSince,
    definition: `${info.definition.kind}, version ${info.definition.version}`,
    query_id: info.queryId,
  }
}
