import { type DocumentNode, getOperationAST } from 'graphql'
import { isAsyncIterable, type Plugin } from 'graphql-yoga'
import type { ResultCache } from '../result-cache/result-cache.ts'
import type { RequestContext } from './context.ts'
import type { OperationContext } from './operation-context.ts'
import { asText } from './use-results.ts'

/**
 * Responds to metrics and totals from the cache, byte for byte, and only after the sender was identified. The rest of
 * a request (its media type, its CSRF header, its size) has been checked before.
 */
export function useResultCache(cache: ResultCache): Plugin<RequestContext, OperationContext> {
  return {
    async onParams({ params, context, setResult }) {
      const { query, variables, operationName } = params
      if (typeof query !== 'string' || !isCacheable(context.document, operationName)) return
      const { viewer } = context.sender
      const cached = { viewer, query, variables, operationName }
      const asOfMs = cache.now()
      const text = await cache.get(cached)
      if (text === undefined) context.cacheMiss = { query: cached, asOfMs }
      else setResult(asText({ data: {} }, text))
    },
    async onExecutionResult({ result, setResult, context }) {
      const { operation, cacheMiss } = context
      if (!cacheMiss || !result || isAsyncIterable(result)) return
      const { data, errors, extensions } = result
      const { dependencies, costMs } = operation?.report ?? {}
      if (errors || !data || !dependencies?.length) return
      const cacheable = {
        data,
        extensions: extensions as Record<string, unknown>,
        dependencies,
        costMs: costMs ?? 0,
      }
      setResult(asText({ data }, await cache.set(cacheMiss.query, cacheable, cacheMiss.asOfMs)))
    },
  }
}

const ROOTS = new Set([
  'metrics',
  'compare',
  'ratio',
  'totals',
  'properties',
  'topValues',
  'contributions',
  'funnel',
  'retention',
  '__typename',
])

/** Whether it selects fields whose results depend on events in ranges of time, and nothing else. */
function isCacheable(
  document: DocumentNode | undefined,
  operationName: string | null | undefined,
): boolean {
  const operation = document && getOperationAST(document, operationName)
  return (
    operation?.operation === 'query' &&
    operation.selectionSet.selections.every(
      (each) => each.kind === 'Field' && ROOTS.has(each.name.value),
    )
  )
}
