import { type DocumentNode, GraphQLError, parse } from 'graphql'
import { ApiError } from '../../lib/api-error.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'
import { checkDocument } from './document-cost.ts'

/** Parses queries within their budget, and keeps those that turned out valid. */
export interface Documents {
  /** @throws QUERY_TOO_LARGE before anything costs more than parsing; GraphQLError for a syntax error */
  parse(text: string): DocumentNode
  /** Whether this very document has passed validation before. */
  isValid(document: DocumentNode): boolean
  /** Keeps the document of this text; to be called once it has passed validation. */
  keep(text: string, document: DocumentNode): void
  /** Characters of the texts that are kept. */
  readonly size: number
}

/** A parsed document takes about fifty times the memory of its text: 16 MiB in all. */
const KEPT_CHARS_MAX = 320 * 1024
/** Longer ones are parsed each time, so that none displaces many others. */
const KEPT_TEXT_CHARS_MAX = 16 * 1024

export function createDocuments(): Documents {
  /** The least recently used first. */
  const kept = new Map<string, DocumentNode>()
  const valid = new WeakSet<DocumentNode>()
  let size = 0

  return {
    parse(text) {
      const known = kept.get(text)
      if (!known) return parseWithinLimits(text)
      kept.delete(text)
      kept.set(text, known)
      return known
    },
    isValid: (document) => valid.has(document),
    keep(text, document) {
      if (text.length > KEPT_TEXT_CHARS_MAX || kept.has(text)) return
      valid.add(document)
      kept.set(text, document)
      size += text.length
      for (const [oldest] of kept) {
        if (size <= KEPT_CHARS_MAX) return
        kept.delete(oldest)
        size -= oldest.length
      }
    },
    get size() {
      return size
    },
  }
}

function parseWithinLimits(text: string): DocumentNode {
  const { tokensMax } = QUERY_LIMITS
  let document: DocumentNode
  try {
    document = parse(text, { maxTokens: tokensMax, noLocation: false })
  } catch (error) {
    if (error instanceof GraphQLError && error.message.includes(`more that ${tokensMax} tokens`))
      throw new ApiError(
        'QUERY_TOO_LARGE',
        `The query has more than ${tokensMax} tokens; send a shorter one.`,
        { limit: 'tokens' },
      )
    throw error
  }
  checkDocument(document)
  return document
}
