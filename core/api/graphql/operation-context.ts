import type { DocumentNode } from 'graphql'
import type { CachedQuery } from '../result-cache/result-cache.ts'
import type { RequestContext, Sender } from './context.ts'

/** What plugins pass on from one step of an operation to the next. A request holds one operation. */
export interface OperationContext {
  sender: Sender
  /** The query, unless it has a syntax error. */
  document?: DocumentNode
  /** What resolvers get. */
  operation?: RequestContext
  /** Set while the result of the operation is to be cached. */
  cacheMiss?: { query: CachedQuery; asOfMs: number }
}
