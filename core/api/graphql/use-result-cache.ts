import { type DocumentNode, getOperationAST } from 'graphql'
import { isAsyncIterable, type Plugin } from 'graphql-yoga'
import type { ResultCache } from '../result-cache/result-cache.ts'
import type { RequestContext } from './context.ts'
import type { Documents } from './documents.ts'
import type { OperationContext } from './operation-context.ts'
import { asText } from './use-results.ts'

/**
 * Responds to metrics and totals from the cache, byte for byte, and only after the sender was identified. The rest of
 * a request (its media type, its CSRF header, its size) has been checked before.
 */
export function useResultCache(
  cache: ResultCache,
  documents: Documents,
): Plugin<RequestContext, OperationContext> {
  return {
    async onParams({ params, context, setResult }) {
      const { query, variables, operationName } = params
      if (typeof query !== 'string' || !isCacheable(documents, query, operationName)) return
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
      const dependencies = operation?.report.dependencies
      if (errors || !data || !dependencies?.length) return
      const cacheable = { data, extensions: extensions as Record<string, unknown>, dependencies }
      setResult(asText({ data }, await cache.set(cacheMiss.query, cacheable, cacheMiss.asOfMs)))
    },
  }
}

/** Parsing costs more than this test, and most other queries have neither word. */
const WORDS = /\b(?:metrics|totals)\b/
const ROOTS = new Set(['metrics', 'totals', '__typename'])

/** Whether it selects metrics and totals and nothing else. */
function isCacheable(
  documents: Documents,
  query: string,
  operationName: string | null | undefined,
): boolean {
  return WORDS.test(query) && selectsOnlyCacheable(documents, query, operationName)
}

function selectsOnlyCacheable(
  documents: Documents,
  query: string,
  operationName: string | null | undefined,
): boolean {
  let document: DocumentNode
  try {
    document = documents.parse(query)
  } catch {
    // Execution reports the syntax error, or the limit.
    return false
  }
  const operation = getOperationAST(document, operationName)
  return (
    operation?.operation === 'query' &&
    operation.selectionSet.selections.every(
      (each) => each.kind === 'Field' && ROOTS.has(each.name.value),
    )
  )
}
