import type { Dependency, QueryResult, ResultInfo } from '../../queries/query-result.ts'

/** What the queries of one operation returned beside their rows: for the result cache and for `extensions`. */
export interface OperationReport {
  /** Of all results together; null when one of them must not be cached. */
  readonly dependencies: readonly Dependency[] | null
  /** By the field's key in the response. */
  readonly info: ReadonlyMap<string, ResultInfo>
  add(field: string, result: QueryResult<unknown>): void
}

export function createOperationReport(): OperationReport {
  const info = new Map<string, ResultInfo>()
  let dependencies: Dependency[] | null = []
  return {
    get dependencies() {
      return dependencies
    },
    info,
    add(field, result) {
      if (result.info) info.set(field, result.info)
      if (result.dependencies === null) dependencies = null
      else dependencies?.push(...result.dependencies)
    },
  }
}
