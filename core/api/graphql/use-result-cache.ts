import { type DocumentNode, getOperationAST, parse } from 'graphql'
import { isAsyncIterable, type Plugin } from 'graphql-yoga'
import type { CachedQuery, ResultCache } from '../result-cache/result-cache.ts'
import type { RequestContext } from './context.ts'

/** What a context is made of, and where one that was needed early waits for its operation. */
export interface EarlyContexts {
  contextFor(headers: Headers): RequestContext
  /** By the operation's own parameters: a request may hold several. */
  early: WeakMap<object, RequestContext>
}

interface Asked {
  question: CachedQuery
  asOfMs: number
}

/**
 * Gives answers to metrics and totals again, as the bytes they were, to who may see them: who asks is
 * found out first, every time. Everything else about a request (its media type, its CSRF header, its
 * size) has been checked before.
 */
export function useResultCache(
  answers: ResultCache,
  contexts: EarlyContexts,
): Plugin<RequestContext> {
  const asked = new WeakMap<object, Asked>()
  return {
    async onParams({ params, request, setResult }) {
      const { query, variables, operationName } = params
      if (typeof query !== 'string' || !mayBeKept(query, operationName)) return
      const context = contexts.contextFor(request.headers)
      const viewer = await context.viewer().catch(() => undefined)
      // The usual way says why not.
      if (!viewer) return
      contexts.early.set(params, context)
      const question = { viewer, query, variables, operationName }
      const asOfMs = Date.now()
      const text = await answers.get(question)
      if (text === undefined) asked.set(params, { question, asOfMs })
      else setResult(asText({ data: {} }, text))
    },
    async onExecutionResult({ result, setResult, context }) {
      const params = (context as unknown as { params?: object }).params
      const found = params && asked.get(params)
      if (!found || !result || isAsyncIterable(result)) return
      const { data, errors, extensions } = result
      const answered = contexts.early.get(params)?.answered
      if (errors || !data || !answered?.length) return
      const given = { data, extensions: extensions as Record<string, unknown>, answered }
      setResult(asText({ data }, await answers.set(found.question, given, found.asOfMs)))
    },
  }
}

/** Yoga writes a result as the result itself says. */
function asText<T extends object>(result: T, text: string): T & { stringify(): string } {
  return { ...result, stringify: () => text }
}

/** Parsing costs more than looking, and most other questions have neither word. */
const WORDS = /\b(?:metrics|totals)\b/
const ROOTS = new Set(['metrics', 'totals', '__typename'])

/** By the query's text, for those that are asked again and again. */
const known = new Map<string, boolean>()
const KNOWN_MAX = 500
const KNOWN_CHARS_MAX = 4_096

/** Whether it asks for metrics and totals and nothing else. */
function mayBeKept(query: string, operationName: string | null | undefined): boolean {
  if (!WORDS.test(query)) return false
  const name = `${operationName ?? ''}\n${query}`
  const seen = known.get(name)
  if (seen !== undefined) return seen
  const may = asksOnlyNumbers(query, operationName)
  if (name.length <= KNOWN_CHARS_MAX) {
    if (known.size >= KNOWN_MAX) known.delete(known.keys().next().value as string)
    known.set(name, may)
  }
  return may
}

function asksOnlyNumbers(query: string, operationName: string | null | undefined): boolean {
  let document: DocumentNode
  try {
    document = parse(query)
  } catch {
    // Whoever reads it next says what is wrong.
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
