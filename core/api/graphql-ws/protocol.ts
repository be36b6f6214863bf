import {
  type ExecutionArgs,
  type ExecutionResult,
  type GraphQLFormattedError,
  parse,
} from 'graphql'
import { CloseCode, makeServer, type Server } from 'graphql-ws'
import { ApiError } from '../../lib/api-error.ts'
import type { Sender } from '../graphql/context.ts'
import type { GraphQLServer } from '../graphql/server.ts'
import { toApiError } from '../to-api-error.ts'
import { SOCKET_LIMITS } from './limits.ts'
import { executeOperation, type OperationError } from './operation.ts'

/** What the protocol knows of a connection. */
export interface Connection {
  /** Who it belongs to, by what it sent to open and to begin. @throws ApiError */
  identify(parameters: Readonly<Record<string, unknown>> | undefined): Promise<Sender>
  /** Called once the sender is known; @throws OVERLOADED */
  begin(sender: Sender): void
  close(code: number, reason: string): void
  /** Set by `begin`. */
  sender?: Sender
}

/** Close codes that a client takes for final, and one after which it tries again. */
const CLOSE_CODES: Record<string, number> = {
  UNAUTHENTICATED: CloseCode.Unauthorized,
  FORBIDDEN: CloseCode.Forbidden,
  CROSS_SITE_REFUSED: CloseCode.Forbidden,
}
const TRY_AGAIN_LATER = 1013

/** The protocol graphql-transport-ws; what it executes goes the way of every other request. */
export function createProtocol(graphql: Pick<GraphQLServer, 'execute'>): Server<Connection> {
  return makeServer<Record<string, unknown>, Connection>({
    connectionInitWaitTimeout: SOCKET_LIMITS.initMsMax,
    async onConnect({ connectionParams, extra: connection }) {
      try {
        connection.begin(await connection.identify(connectionParams))
        return true
      } catch (error) {
        const { code, message } = toApiError(error) ?? new ApiError('INTERNAL_SERVER_ERROR')
        connection.close(CLOSE_CODES[code] ?? TRY_AGAIN_LATER, `${code}: ${message}`.slice(0, 120))
        return false
      }
    },
    onSubscribe: ({ extra }, _, payload) => ({
      ...PLACEHOLDER,
      contextValue: executeOperation(graphql, extra.sender as Sender, payload),
    }),
    subscribe: ({ contextValue }: ExecutionArgs) =>
      contextValue as AsyncGenerator<ExecutionResult, void>,
    onNext({ extra }, _, __, ___, result) {
      closeIfSignedOut(extra, result.errors)
      return result as object
    },
    onError({ extra }, _, __, [error]) {
      const { errors } = (error?.originalError ?? {}) as Partial<OperationError>
      closeIfSignedOut(extra, errors)
      return errors ?? [{ message: 'Something failed on our side.' }]
    },
  })
}

/** The protocol asks for a document to see that it is a subscription; ours was parsed where it was executed. */
const PLACEHOLDER = {
  schema: undefined as unknown as ExecutionArgs['schema'],
  document: parse('subscription { placeholder }'),
}

function closeIfSignedOut(connection: Connection, errors: readonly GraphQLFormattedError[] = []) {
  const isSignedOut = errors.some(({ extensions }) => extensions?.code === 'UNAUTHENTICATED')
  // After the message itself.
  if (isSignedOut) setImmediate(() => connection.close(CloseCode.Unauthorized, 'UNAUTHENTICATED'))
}
