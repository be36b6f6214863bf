import type { Plugin } from 'graphql-yoga'
import { ApiError } from '../../lib/api-error.ts'
import type { RequestContext } from './context.ts'
import type { Documents } from './documents.ts'
import { toGraphQLError } from './graphql-error.ts'
import type { OperationContext } from './operation-context.ts'

/** Parses within the limits of a document, before anything else is done for it, and validates each valid document once. */
export function useDocuments(documents: Documents): Plugin<RequestContext, OperationContext> {
  return {
    onParams({ params: { query }, context, setResult }) {
      if (typeof query !== 'string') return
      try {
        context.document = documents.parse(query)
      } catch (error) {
        if (error instanceof ApiError) setResult({ errors: [toGraphQLError(error)] })
        // Parsing reports a syntax error again below, as GraphQL over HTTP wants it.
      }
    },
    onParse({ context, setParsedDocument, setParseFn }) {
      const { document } = context as OperationContext
      if (document) setParsedDocument(document)
      else setParseFn((source) => documents.parse(String(source)))
    },
    onValidate({ params: { documentAST }, context, setResult }) {
      if (documents.isValid(documentAST)) {
        setResult([])
        return undefined
      }
      const text = context.params.query
      return ({ valid }) => {
        if (valid && typeof text === 'string') documents.keep(text, documentAST)
      }
    },
  }
}
