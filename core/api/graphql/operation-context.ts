import type { CachedQuery } from '../result-cache/result-cache.ts'
import type { RequestContext } from './context.ts'

/** What plugins pass on from one step of an operation to the next; each operation has its own. */
export interface OperationContext {
  /** What resolvers get. */
  operation?: RequestContext
  /** Set while the result of the operation is to be cached. */
  cacheMiss?: { query: CachedQuery; asOfMs: number }
}
