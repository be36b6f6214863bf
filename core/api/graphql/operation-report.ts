import type { Dependency, QueryResult, ResultInfo } from '../../queries/query-result.ts'

/** What the queries of one operation returned beside their rows: for the result cache and for `extensions`. */
export interface OperationReport {
  /** Of all results together; null when one of them must not be cached. */
  readonly dependencies: readonly Dependency[] | null
  /** By the field's key in the response. */
  readonly info: ReadonlyMap<string, ResultInfo>
  /** What the statements took, in milliseconds, where single events were read; 0 where not. */
  readonly costMs: number
  add(field: string, result: QueryResult<unknown>): void
  /** While a connection was held; the wait for it does not count. */
  addStatementMs(ms: number): void
}

export function createOperationReport(): OperationReport {
  const info = new Map<string, ResultInfo>()
  let dependencies: Dependency[] | null = []
  let statementMs = 0
  let hasReadEvents = false
  return {
    get dependencies() {
      return dependencies
    },
    info,
    get costMs() {
      return hasReadEvents ? statementMs : 0
    },
    addStatementMs(ms) {
      statementMs += ms
    },
    add(field, result) {
      hasReadEvents ||= result.source === 'raw'
      if (result.info) info.set(field, result.info)
      if (result.dependencies === null) dependencies = null
      else dependencies?.push(...result.dependencies)
    },
  }
}
