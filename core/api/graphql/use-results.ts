import { isAsyncIterable, type Plugin } from 'graphql-yoga'
import { ApiError } from '../../lib/api-error.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import type { ResultInfo } from '../../queries/query-result.ts'
import type { RequestContext, Sender } from './context.ts'
import { toGraphQLError } from './graphql-error.ts'
import { responseTooLarge } from './json-value.ts'
import type { OperationContext } from './operation-context.ts'

/** A batch would multiply every limit; no client of ours sends any. */
export function useSingleOperation(): Plugin {
  return {
    onRequestParse: () => ({
      onRequestParseDone({ requestParserResult }) {
        if (!Array.isArray(requestParserResult)) return
        const message =
          'Batches are not supported: send one operation in a request; it may select several fields.'
        throw toGraphQLError(new ApiError('QUERY_TOO_LARGE', message, { limit: 'batch' }))
      },
    }),
  }
}

/** Creates the context of the operation before anything else needs it. */
export function useOperationContext(
  createContext: (sender: Sender, signal: AbortSignal) => RequestContext,
): Plugin<RequestContext, OperationContext> {
  return {
    onParams({ context, request }) {
      context.operation = createContext(context.sender, request.signal)
    },
  }
}

/** Puts what the operation reports of its results into `extensions`. */
export function useResultInfo(): Plugin<RequestContext, OperationContext> {
  return {
    onExecute: ({ args }) => ({
      onExecuteDone({ result, setResult }) {
        const { info } = (args.contextValue as RequestContext).report
        if (isAsyncIterable(result) || info.size === 0) return
        const results = [...info.values()]
        const extensions = {
          source: combinedSource(info),
          verifiedThrough: results[0]?.verifiedThrough ?? null,
          metrics: Object.fromEntries(info),
        }
        setResult({ ...result, extensions: { ...result.extensions, ...extensions } })
      },
    }),
  }
}

/** What any of the results was read from: `rollup+sketch+raw` at most. */
function combinedSource(info: ReadonlyMap<string, ResultInfo>): string {
  const parts = new Set([...info.values()].flatMap(({ source }) => source.split('+')))
  return SOURCE_PARTS.filter((part) => parts.has(part)).join('+')
}

const SOURCE_PARTS = ['rollup', 'sketch', 'raw']

/** Replaces a result whose text is larger than the limit by an error. */
export function useResponseLimit(): Plugin<RequestContext, OperationContext> {
  return {
    onExecutionResult({ result, setResult }) {
      if (!result || isAsyncIterable(result) || Array.isArray(result)) return
      // Of a result from the cache the text is there already.
      const text = isText(result) ? result.stringify() : JSON.stringify(result)
      if (text.length > QUERY_LIMITS.responseBytesMax)
        setResult({ errors: [toGraphQLError(responseTooLarge())] })
      // Errors are masked after this, so their text is not what is sent.
      else if (!result.errors) setResult(asText(result, text))
    },
  }
}

function isText(result: object): result is { stringify(): string } {
  return 'stringify' in result && typeof result.stringify === 'function'
}

/** Yoga serialises a result by its own `stringify`. */
export function asText<T extends object>(result: T, text: string): T & { stringify(): string } {
  return { ...result, stringify: () => text }
}
