import type { Context } from 'hono'
import type {
  OperationResult,
  RunOperation as RunOperationFor,
} from '../operations/run-operation.ts'
import type { RestEnv } from './admit.ts'

/** Executes a GraphQL document for the sender of a REST request. @throws ApiError, as GraphQL responds with it */
export type RunOperation = <Data>(
  c: Context<RestEnv>,
  query: string,
  variables: Record<string, unknown>,
) => Promise<OperationResult<Data>>

/** Until the client of the request leaves. */
export function ofRequest(runOperation: RunOperationFor): RunOperation {
  return (c, query, variables) =>
    runOperation({ sender: c.var.sender, signal: c.req.raw.signal }, query, variables)
}
