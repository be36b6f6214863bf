import { type DocumentNode, getOperationAST, parse } from 'graphql'
import { isAsyncIterable, type Plugin } from 'graphql-yoga'
import type { ResultCache } from '../result-cache/result-cache.ts'
import type { RequestContext } from './context.ts'
import type { OperationContext } from './operation-context.ts'

/**
 * Responds to metrics and totals from the cache, byte for byte, and only after the sender was identified. The rest of
 * a request (its media type, its CSRF header, its size) has been checked before.
 */
export function useResultCache(cache: ResultCache): Plugin<RequestContext, OperationContext> {
  return {
    async onParams({ params, context, setResult }) {
      const { query, variables, operationName } = params
      if (typeof query !== 'string' || !isCacheable(query, operationName)) return
      const viewer = await context.operation?.viewer().catch(() => undefined)
      // Execution reports why the sender was not identified.
      if (!viewer) return
      const cached = { viewer, query, variables, operationName }
      const asOfMs = Date.now()
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

/** Yoga serialises a result by its own `stringify`. */
function asText<T extends object>(result: T, text: string): T & { stringify(): string } {
  return { ...result, stringify: () => text }
}

/** Parsing costs more than this test, and most other queries have neither word. */
const WORDS = /\b(?:metrics|totals)\b/
const ROOTS = new Set(['metrics', 'totals', '__typename'])

/** By the query's text, for queries that are sent repeatedly. */
const known = new Map<string, boolean>()
const KNOWN_MAX = 500
const KNOWN_CHARS_MAX = 4_096

/** Whether it selects metrics and totals and nothing else. */
function isCacheable(query: string, operationName: string | null | undefined): boolean {
  if (!WORDS.test(query)) return false
  const name = `${operationName ?? ''}\n${query}`
  const seen = known.get(name)
  if (seen !== undefined) return seen
  const cacheable = selectsOnlyCacheable(query, operationName)
  if (name.length <= KNOWN_CHARS_MAX) {
    if (known.size >= KNOWN_MAX) known.delete(known.keys().next().value as string)
    known.set(name, cacheable)
  }
  return cacheable
}

function selectsOnlyCacheable(query: string, operationName: string | null | undefined): boolean {
  let document: DocumentNode
  try {
    document = parse(query)
  } catch {
    // Execution reports the syntax error.
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
